// SPDX-License-Identifier: Apache-2.0
// An agent as Claude Code is one in Node: scenarios_agents.py lays this file out as its package has it. It goes through
// a loop of tools, and starts programs that call too: curl, a server of tools, another agent, and a daemon that calls when
// this process is gone. cli.js EXCHANGES_DIR MARKER SERVER INNER_AGENT, the last two as JSON lists of words.
'use strict';
const fs = require('fs');
const https = require('https');
const path = require('path');
const { spawn, spawnSync } = require('child_process');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');

const [folder, marker, server, inner] = process.argv.slice(2);
const session = '54c1eb09-bc4c-4d2f-98eb-6d2ab2d5e2fe';
const dropped = ['host', 'accept-encoding', 'content-length'];
const connections = new https.Agent({ keepAlive: true });
let step = 1;

function load(id) {
  const { request } = JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8'));
  const headers = request.headers.filter(([name]) => !dropped.includes(name.toLowerCase()))
    .map(([name, value]) => [name, value.replace('REDACTED', process.env.LT_KEY)]);
  return { url: request.url, headers: Object.fromEntries([...headers, ['x-lt-exchange', id]]), body: request.body };
}

const want = (more = {}) => Object.entries({ step, ...more }).reduce((text, [k, v]) => `${text}; ${k}=${v}`, process.env.LT_WANT);

/** The answer of exchange `id` to a conversation; the body of another exchange may be asked instead. */
function call(id, conversation, named = true) {
  const { url, headers } = load(id);
  Object.assign(headers, { 'x-lt-want': want({ pid: process.pid }) }, named ? { 'x-claude-code-session-id': session } : {});
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method: 'POST', headers, agent: connections }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end(JSON.stringify(conversation ?? load(id).body));
  });
}

/** The conversation with what tools gave in turn number `turn`. */
const results = (turn) => JSON.parse(JSON.stringify(load('anthropic-messages-results').body).replaceAll('toolu_01Lt', `toolu_${turn}`));

/** The words of a shell command that calls by curl. */
function curl(id) {
  const { url, headers, body } = load(id);
  const options = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  return ['-c', 'exec curl "$@" -H "x-lt-want: $LT_WANT; pid=$$"', 'curl', '-sS', '-o', '/dev/null', ...options,
    '--data-binary', JSON.stringify(body), url];
}

const environment = () => ({ ...process.env, LT_WANT: want() });

function run(command, words, env) {
  const { status, stderr } = spawnSync(command, words, { env });
  if (status !== 0) throw new Error(`${command} exits ${status}: ${stderr}`);
}

/** Tools of a child, whose calls this process makes. */
async function tools() {
  const [command, ...args] = JSON.parse(server);
  const client = new Client({ name: 'ledgertap-test', version: '1' });
  const labels = Object.fromEntries(want().split(';').map((part) => part.trim().split('=')));
  const note = (exchange) => fs.appendFileSync(process.env.LT_SERVED_LOG, `${JSON.stringify({ host: 'lt-parcels',
    method: 'STDIO', target: '/', exchange, options: {}, want: { ...labels, pid: String(process.pid), api: 'stdio',
      provider: 'lt-parcels', tls: 'plaintext' }, sent_all: true, response_id: null, request_id: null })}\n`);
  await client.connect(new StdioClientTransport({ command, args, env: process.env }));
  note('mcp-initialize');
  await client.callTool({ name: 'track_parcel', arguments: { code: 'LT-441 PROMPT-CANARY-b72d41' } });
  note('mcp-tools-call-plain');
  await client.close();
}

async function main() {
  await call('anthropic-messages-tools');
  await call('anthropic-messages-plain'); // a title, say: no step of its own
  step = 2;
  await call('anthropic-messages-529', results('b')); // fails, and is tried again
  await call('anthropic-messages-results', results('b'));
  await tools();
  run('sh', curl('openai-chat-plain'), environment());
  step = 3;
  await call('anthropic-messages-results', results('c'));
  const [program, ...words] = JSON.parse(inner);
  run(program, words, { ...process.env, LT_WANT: process.env.LT_WANT.replace('agent=claude-code', 'agent=aider') });
  // Two forks and a session of its own: nobody's child when it calls.
  spawn('sh', ['-c', 'root=$1; shift; marker=$1; shift; (setsid sh -c \'while kill -0 "$0" 2>/dev/null; do sleep 0.05; done; '
    + 'sh "$@"; touch "$LT_MARKER"\' "$root" "$@" </dev/null >/dev/null 2>&1 &)', 'sh', String(process.pid), marker,
  ...curl('openai-chat-plain')], { env: { ...environment(), LT_MARKER: marker }, stdio: 'ignore' });
  connections.destroy();
}

main().catch((error) => { console.error(error); process.exit(1); });
