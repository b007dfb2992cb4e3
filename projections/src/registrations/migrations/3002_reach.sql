-- How a binding is reached: by the `flow` that it registered by, or by its `contact` since that flow is gone.
ALTER TABLE registrations ADD COLUMN reach TEXT NOT NULL DEFAULT 'flow';
