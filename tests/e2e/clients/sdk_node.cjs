// SPDX-License-Identifier: Apache-2.0
// The providers' own Node SDKs: sdk_node.cjs EXCHANGES_DIR EXCHANGE_ID...   (NODE_PATH leads to them)
'use strict';
const fs = require('fs');
const path = require('path');
const { OpenAI, AzureOpenAI } = require('openai');
const { Anthropic } = require('@anthropic-ai/sdk');

const apiKey = process.env.LT_KEY || 'sk-test-of-ledgertap';
const [folder, ...ids] = process.argv.slice(2);

// The end of each API's path: what stands in front of it is the base URL.
const PATHS = { chat_completions: '/chat/completions', responses: '/responses', embeddings: '/embeddings',
  images: '/images/generations' };

// Azure's name of the model, null where the path has none.
function deploymentOf(exchange) {
  const found = /\/openai\/deployments\/([^/]+)\//.exec(exchange.request.url);
  return found && found[1];
}

function clientOf(exchange) {
  const shared = { apiKey, maxRetries: 0 };
  if (exchange.provider === 'anthropic') return new Anthropic(shared);
  const { url } = exchange.request;
  const deployment = deploymentOf(exchange);
  if (deployment) return new AzureOpenAI({ ...shared, apiVersion: '2024-10-21', deployment, endpoint: new URL(url).origin });
  return new OpenAI({ ...shared, baseURL: url.split(PATHS[exchange.api])[0] });
}

function create(client, exchange, options) {
  const body = { ...exchange.request.body };
  body.model = deploymentOf(exchange) || body.model;
  switch (exchange.api) {
    case 'messages': return client.messages.create(body, options);
    case 'responses': return client.responses.create(body, options);
    case 'embeddings': return client.embeddings.create(body, options);
    case 'images': return client.images.generate(body, options);
    case 'chat_completions': return client.chat.completions.create(body, options);
    default: throw new Error(`${exchange.id}: no call of this SDK for ${exchange.api}`);
  }
}

async function call(exchange) {
  const upstream = [exchange.id, process.env.LT_OPTIONS].filter(Boolean).join('; ');
  const headers = { 'x-lt-exchange': upstream, 'x-lt-want': `${process.env.LT_WANT || ''}; pid=${process.pid}` };
  try {
    const answer = await create(clientOf(exchange), exchange, { headers });
    if (exchange.streaming) for await (const part of answer) void part;
  } catch (error) {
    if (exchange.response.status < 400 && !exchange.expected.error) throw error;
  }
}

(async () => {
  for (const id of ids) {
    await call(JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8')));
  }
})().catch((error) => { console.error(error); process.exit(1); });
