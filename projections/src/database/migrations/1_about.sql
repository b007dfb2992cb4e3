-- One row: the rows of this generation hold everything up to `position`; queries are answered from it where it serves.
CREATE TABLE about (
    one      INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    serves   INTEGER NOT NULL
);
INSERT INTO about (one, position, serves) VALUES (1, 0, 0);
