// SPDX-License-Identifier: Apache-2.0
// One call with Node's own fetch.
import fs from 'fs';

const { EXCHANGE, LT_KEY, URL, WANT } = process.env;
const headers = { 'content-type': 'application/json', authorization: `Bearer ${LT_KEY}`,
  'x-lt-exchange': EXCHANGE, 'x-lt-want': `${WANT}; comm=node` };
const answer = await fetch(URL, { method: 'POST', headers, body: fs.readFileSync('/lt/body') });
await answer.text();
if (!answer.ok) throw new Error(`status ${answer.status}`);
