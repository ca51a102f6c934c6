// SPDX-License-Identifier: Apache-2.0
// Node's own http2 module, all calls at the same time on one session: http2_node.cjs EXCHANGES_DIR PORT TIMES EXCHANGE_ID...
'use strict';
const fs = require('fs');
const http2 = require('http2');
const path = require('path');

const [folder, port, times, ...ids] = process.argv.slice(2);
const exchanges = ids.map((id) => JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8')));
const session = http2.connect(`https://${new URL(exchanges[0].request.url).host}:${port}`);

function call(exchange) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': new URL(exchange.request.url).pathname,
      'content-type': 'application/json', authorization: `Bearer ${process.env.LT_KEY || 'sk-test-of-ledgertap'}`,
      'x-lt-exchange': [exchange.id, process.env.LT_OPTIONS].filter(Boolean).join('; '),
      'x-lt-want': `${process.env.LT_WANT || ''}; pid=${process.pid}` });
    let status = 0;
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.on('error', reject);
    stream.on('end', () => {
      if (status === exchange.response.status) resolve();
      else reject(new Error(`${exchange.id}: status ${status}`));
    });
    stream.resume();
    stream.end(JSON.stringify(exchange.request.body));
  });
}

session.on('error', (error) => { console.error(error); process.exit(1); });
Promise.all(exchanges.flatMap((exchange) => Array.from({ length: Number(times) }, () => call(exchange))))
  .then(() => session.close(), (error) => { console.error(error); process.exit(1); });
