// An auditor with npm `@kurrent/kurrentdb-client`: everything that a log holds, as JSON lines, from the store in
// KURRENTDB_URI. Each stream is read for itself and must be what it is among all; a subscription catches up with the same.
import assert from "node:assert";
import { createRequire } from "node:module";

const require = createRequire(process.env.CLIENT_MODULES + "/");
const { AccessDeniedError, BACKWARDS, END, FORWARDS, KurrentDBClient, START, jsonEvent, streamNameFilter } =
  require("@kurrent/kurrentdb-client");

const client = KurrentDBClient.connectionString(process.env.KURRENTDB_URI);

async function all(events) {
  const found = [];
  for await (const { event } of events) found.push(event);
  return found;
}

function line(event) {
  const { metadata } = event;
  return {
    position: Number(event.position.commit), stream: event.streamId, revision: Number(event.revision), id: event.id,
    type: event.type, version: metadata.version, at: metadata.at, correlation: metadata.$correlationId,
    cause: metadata.$causationId ?? null, previous: metadata.previous, data: event.data,
  };
}

const everything = await all(client.readAll({ direction: FORWARDS, fromPosition: START }));
const streams = new Map();
for (const event of everything) {
  if (!streams.has(event.streamId)) streams.set(event.streamId, []);
  streams.get(event.streamId).push(event.id);
}
for (const [name, ids] of streams) {
  const forwards = await all(client.readStream(name));
  const backwards = await all(client.readStream(name, { direction: BACKWARDS, fromRevision: END }));
  assert.deepStrictEqual(forwards.map((event) => event.id), ids);
  assert.deepStrictEqual(backwards.map((event) => event.id).reverse(), ids);
}

const sessions = everything.filter((event) => event.streamId.startsWith("session-")).map((event) => event.id);
const subscription = client.subscribeToAll({ fromPosition: START, filter: streamNameFilter({ prefixes: ["session-"] }) });
const followed = [];
for await (const { event } of subscription) {
  followed.push(event.id);
  if (followed.length === sessions.length) break;
}
await subscription.unsubscribe();
assert.deepStrictEqual(followed, sessions);

const forged = jsonEvent({ type: "Forged", data: {} });
await assert.rejects(client.appendToStream(everything.at(-1).streamId, forged), AccessDeniedError);

await client.dispose();
// The client's threads would keep the process; a pipe is written in the background.
process.stdout.write(everything.map((event) => `${JSON.stringify(line(event))}\n`).join(""), () => process.exit(0));
