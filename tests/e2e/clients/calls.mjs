// SPDX-License-Identifier: Apache-2.0
// Calls from JavaScript, in Node, Bun and Deno alike: calls.mjs HOW EXCHANGES_DIR TIMES EXCHANGE_ID...
//
// HOW: fetch, https (the module node:https, connections kept), http2 (node:http2, all calls at once on one session),
// undici (the package, by NODE_PATH).
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const [how, folder, times, ...ids] = process.argv.slice(2);
// What the client says itself.
const dropped = ['host', 'accept-encoding', 'content-length', 'connection', 'transfer-encoding'];

function load(id) {
  const { request, response } = JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8'));
  const headers = Object.fromEntries(request.headers.filter(([name]) => !dropped.includes(name.toLowerCase()))
    .map(([name, value]) => [name, value.replace('REDACTED', process.env.LT_KEY || 'sk-test-of-ledgertap')]));
  headers['x-lt-exchange'] = [id, process.env.LT_OPTIONS].filter(Boolean).join('; ');
  headers['x-lt-want'] = `${process.env.LT_WANT || ''}; pid=${process.pid}`;
  return { id, url: request.url, headers, body: JSON.stringify(request.body), status: response.status };
}

const agent = new https.Agent({ keepAlive: true });

function byHttps({ url, headers, body }) {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method: 'POST', headers, agent }, (response) => {
      response.on('data', () => {});
      response.on('error', reject);
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function byFetch({ url, headers, body }) {
  const response = await fetch(url, { method: 'POST', headers, body });
  await response.text();
  return response.status;
}

async function byUndici({ url, headers, body }) {
  const undici = createRequire(path.join(process.env.NODE_PATH, 'x.js'))('undici');
  const { statusCode, body: answer } = await undici.request(url, { method: 'POST', headers, body });
  await answer.text();
  return statusCode;
}

const sessions = new Map();

function byHttp2({ url, headers, body }) {
  const { origin, pathname } = new URL(url);
  if (!sessions.has(origin)) sessions.set(origin, http2.connect(origin));
  return new Promise((resolve, reject) => {
    const stream = sessions.get(origin).request({ ':method': 'POST', ':path': pathname, ...headers });
    let status = 0;
    stream.on('response', (fields) => { status = fields[':status']; });
    stream.on('error', reject);
    stream.on('data', () => {});
    stream.on('end', () => resolve(status));
    stream.end(body);
  });
}

async function checked(call, exchange) {
  const status = await call(exchange);
  if (status !== exchange.status) throw new Error(`${exchange.id}: status ${status}, not ${exchange.status}`);
}

const call = { fetch: byFetch, https: byHttps, http2: byHttp2, undici: byUndici }[how];
const all = ids.map(load).flatMap((exchange) => Array.from({ length: Number(times) }, () => exchange));
try {
  if (how === 'http2') await Promise.all(all.map((exchange) => checked(call, exchange)));
  else for (const exchange of all) await checked(call, exchange);
} catch (error) {
  console.error(error);
  process.exit(1);
}
for (const session of sessions.values()) session.close();
agent.destroy();
