// SPDX-License-Identifier: Apache-2.0
// gRPC's own client for Node: grpc_node.cjs EXCHANGES_DIR PORT EXCHANGE_ID...   (NODE_PATH leads to it)
// What travels are the recorded messages as they are: no generated code stands between them and the wire.
'use strict';
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const grpc = require('@grpc/grpc-js');

const PREFIX = 5; // of a message: whether it is gzip, and its length
const GZIP = 2; // the channel option's number of it
const [folder, port, ...ids] = process.argv.slice(2);
const late = /grpc-status=(\d+)/.exec(process.env.LT_OPTIONS || '');
const asItIs = (bytes) => bytes;

// The first message of a body, plain.
function messageOf(body) {
  const bytes = Buffer.from(body, 'base64');
  const message = bytes.subarray(PREFIX, PREFIX + bytes.readUInt32BE(1));
  return { packed: bytes[0] === 1, message: bytes[0] === 1 ? zlib.gunzipSync(message) : message };
}

function metadataOf(exchange) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of exchange.request.headers) {
    if (['authorization', 'x-goog-api-key', 'x-goog-api-client'].includes(name)) {
      metadata.set(name, value.replace('REDACTED', process.env.LT_KEY || 'sk-test-of-ledgertap'));
    }
  }
  metadata.set('x-lt-exchange', [exchange.id, process.env.LT_OPTIONS].filter(Boolean).join('; '));
  metadata.set('x-lt-want', `${process.env.LT_WANT || ''}; pid=${process.pid}`);
  return metadata;
}

function clientOf(exchange, packed) {
  const { host, hostname } = new URL(exchange.request.url);
  const trust = grpc.credentials.createSsl(fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS));
  return new grpc.Client(`${hostname}:${port}`, trust, { 'grpc.default_authority': host, 'grpc.enable_retries': 0,
    ...(packed && { 'grpc.default_compression_algorithm': GZIP }) });
}

// How many messages came, and the status at the end.
function ask(exchange) {
  const { packed, message } = messageOf(exchange.request.body_b64);
  const client = clientOf(exchange, packed);
  const method = [new URL(exchange.request.url).pathname, asItIs, asItIs, message, metadataOf(exchange)];
  return new Promise((resolve) => {
    let count = 0;
    const end = (error) => { client.close(); resolve({ count, status: error ? error.code : grpc.status.OK }); };
    if (exchange.streaming) {
      const stream = client.makeServerStreamRequest(...method);
      stream.on('data', () => { count += 1; });
      stream.on('error', end);
      stream.on('end', () => end(null));
    } else {
      client.makeUnaryRequest(...method, (error, answer) => { count = answer ? 1 : 0; end(error); });
    }
  });
}

(async () => {
  for (const id of ids) {
    const exchange = JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8'));
    const due = late ? Number(late[1]) : (exchange.expected.error || { code: grpc.status.OK }).code;
    const { count, status } = await ask(exchange);
    if (status !== due) throw new Error(`${id}: status ${status}, not ${due}`);
    if (!exchange.expected.error && count === 0) throw new Error(`${id}: no message`);
  }
})().catch((error) => { console.error(error); process.exit(1); });
