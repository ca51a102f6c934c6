// SPDX-License-Identifier: Apache-2.0
// The official MCP client for Node: mcp_node.cjs URL   (NODE_PATH leads to it)
'use strict';
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');

const headers = { authorization: `Bearer ${process.env.LT_KEY || 'sk-test-of-ledgertap'}`,
  'x-lt-exchange': process.env.LT_OPTIONS || '', 'x-lt-want': `${process.env.LT_WANT || ''}; pid=${process.pid}` };

(async () => {
  const transport = new StreamableHTTPClientTransport(new URL(process.argv[2]), { requestInit: { headers } });
  const client = new Client({ name: 'ledgertap-test', version: '1' });
  await client.connect(transport);
  const { tools } = await client.listTools();
  if (tools.length !== 4) throw new Error(`the server has ${tools.length} tools`);
  for (const name of ['track_parcel', 'hold_parcel']) {
    const { isError } = await client.callTool({ name, arguments: { code: 'LT-441 PROMPT-CANARY-b72d41' } });
    if (isError) throw new Error(`${name} fails`);
  }
  const broken = await client.callTool({ name: 'weigh_parcel', arguments: { code: 'LT-444' } });
  if (!broken.isError) throw new Error('weigh_parcel does not fail');
  const refused = await client.callTool({ name: 'refund_parcel', arguments: { code: 'LT-443' } }).catch((error) => error);
  if (!(refused instanceof Error)) throw new Error('refund_parcel does not fail');
  await transport.terminateSession();
  await client.close();
})().catch((error) => { console.error(error); process.exit(1); });
