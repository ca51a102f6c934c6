// SPDX-License-Identifier: Apache-2.0
// The openai SDK on a WebSocket of the ws package: sockets.cjs EXCHANGES_DIR realtime|responses EXCHANGE_ID
// Says what the exchange's client says, each time after the server has said its part.   (NODE_PATH leads to them)
'use strict';
const fs = require('fs');
const path = require('path');
const { OpenAI } = require('openai');
const { OpenAIRealtimeWS } = require('openai/realtime/ws');
const { ResponsesWS } = require('openai/resources/responses/ws');

const [folder, kind, id] = process.argv.slice(2);
const { response } = JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8'));
const headers = { 'x-lt-exchange': [id, process.env.LT_OPTIONS].filter(Boolean).join('; '),
  'x-lt-want': `${process.env.LT_WANT || ''}; pid=${process.pid}` };
const client = new OpenAI({ apiKey: process.env.LT_KEY || 'sk-test-of-ledgertap' });
const connection = kind === 'realtime' ?
  new OpenAIRealtimeWS({ model: 'gpt-realtime', options: { headers } }, client) : new ResponsesWS(client, { headers });
let at = 0;

function fail(what) {
  console.error(what);
  process.exit(1);
}

function speak() {
  while (at < response.ws_messages.length && response.ws_messages[at].dir === 'c2s') {
    connection.send(response.ws_messages[at++].data);
  }
  if (at === response.ws_messages.length) connection.close();
}

connection.socket.on('open', speak);
connection.on('event', (event) => {
  const expected = response.ws_messages[at++].data.type;
  if (event.type !== expected) fail(`the server says ${event.type} instead of ${expected}`);
  speak();
});
connection.on('error', fail);
connection.socket.on('close', () => {
  if (at !== response.ws_messages.length) fail(`the server closed after ${at} messages`);
});
