// SPDX-License-Identifier: Apache-2.0
// Node's fetch in the clear: fetch.mjs EXCHANGES_DIR PORT TIMES EXCHANGE_ID...
// TIMES calls of each one after the other, on connections that are kept, then all at the same time.
import fs from 'fs';
import path from 'path';

const [folder, port, times, ...ids] = process.argv.slice(2);
const exchanges = ids.map((id) => JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8')));

async function call(exchange) {
  const url = new URL(exchange.request.url);
  const response = await fetch(`http://${url.hostname}:${port}${url.pathname}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${process.env.LT_KEY}`,
      'x-lt-exchange': [exchange.id, process.env.LT_OPTIONS].filter(Boolean).join('; '),
      'x-lt-want': `${process.env.LT_WANT || ''}; pid=${process.pid}` },
    body: JSON.stringify(exchange.request.body),
  });
  await response.text();
  if (response.status !== exchange.response.status) throw new Error(`${exchange.id}: status ${response.status}`);
}

const all = exchanges.flatMap((exchange) => Array.from({ length: Number(times) }, () => exchange));
for (const exchange of all) await call(exchange);
await Promise.all(all.map(call));
