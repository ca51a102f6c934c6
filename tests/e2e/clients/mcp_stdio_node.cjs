// SPDX-License-Identifier: Apache-2.0
// The official MCP client for Node, whose child serves over a pair of sockets: mcp_stdio_node.cjs SERVER...
'use strict';
const fs = require('fs');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');

function note(exchange) {
  const want = Object.fromEntries(process.env.LT_WANT.split(';').map((part) => part.trim().split('=')));
  Object.assign(want, { pid: String(process.pid), api: 'stdio', provider: 'lt-parcels' });
  fs.appendFileSync(process.env.LT_SERVED_LOG, `${JSON.stringify({ host: 'lt-parcels', method: 'STDIO', target: '/',
    exchange, options: {}, want, sent_all: true, response_id: null, request_id: null })}\n`);
}

(async () => {
  const [command, ...args] = process.argv.slice(2);
  const client = new Client({ name: 'ledgertap-test', version: '1' });
  await client.connect(new StdioClientTransport({ command, args, env: process.env }));
  note('mcp-initialize');
  await client.listTools();
  note('mcp-tools-list');
  for (let i = 0; i < 3; i++) {
    const { isError } = await client.callTool({ name: 'track_parcel', arguments: { code: 'LT-441 PROMPT-CANARY-b72d41' } });
    if (isError) throw new Error('track_parcel fails');
    note('mcp-tools-call-plain');
  }
  await client.close();
})().catch((error) => { console.error(error); process.exit(1); });
