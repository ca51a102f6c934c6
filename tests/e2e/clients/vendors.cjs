// SPDX-License-Identifier: Apache-2.0
// Node SDKs of other providers, one call for each exchange: vendors.cjs EXCHANGES_DIR SDK EXCHANGE_ID...
// SDK: google, mistral, cohere, bedrock.   (NODE_PATH leads to them)
'use strict';
const fs = require('fs');
const path = require('path');

const apiKey = process.env.LT_KEY || 'sk-test-of-ledgertap';
const [folder, sdk, ...ids] = process.argv.slice(2);

function wantHeaders(exchange) {
  return { 'x-lt-exchange': [exchange.id, process.env.LT_OPTIONS].filter(Boolean).join('; '),
    'x-lt-want': `${process.env.LT_WANT || ''}; pid=${process.pid}` };
}

async function drain(stream) {
  for await (const part of stream) void part;
}

async function google(exchange) {
  const { GoogleGenAI } = require('@google/genai');
  const { models } = new GoogleGenAI({ apiKey });
  const { contents, tools, systemInstruction } = exchange.request.body;
  const asked = { model: /models\/([^:]+):/.exec(exchange.request.url)[1], contents,
    config: { tools, systemInstruction, httpOptions: { headers: wantHeaders(exchange) } } };
  if (exchange.streaming) await drain(await models.generateContentStream(asked));
  else await models.generateContent(asked);
}

async function mistral(exchange) {
  const { Mistral } = require('@mistralai/mistralai');
  const { beta, chat } = new Mistral({ apiKey });
  const { stream, ...asked } = exchange.request.body;
  const options = { headers: wantHeaders(exchange) };
  if (exchange.api === 'conversations') await beta.conversations.start(asked, options);
  else if (stream) await drain(await chat.stream(asked, options));
  else await chat.complete(asked, options);
}

async function cohere(exchange) {
  const { CohereClientV2 } = require('cohere-ai');
  const client = new CohereClientV2({ token: apiKey });
  const { stream, ...asked } = exchange.request.body;
  const options = { headers: wantHeaders(exchange), maxRetries: 0 };
  if (stream) await drain(await client.chatStream(asked, options));
  else await client.chat(asked, options);
}

// Speaks HTTP/2 and nothing else.
async function bedrock(exchange) {
  const aws = require('@aws-sdk/client-bedrock-runtime');
  const url = new URL(exchange.request.url);
  const client = new aws.BedrockRuntimeClient({ region: 'us-east-1', maxAttempts: 1,
    endpoint: `https://${url.host}:8443`, credentials: { accessKeyId: apiKey, secretAccessKey: 'of-nobody' } });
  client.middlewareStack.add((next) => (step) => {
    Object.assign(step.request.headers, wantHeaders(exchange));
    return next(step);
  }, { step: 'build' });
  const modelId = decodeURIComponent(url.pathname.split('/')[2]);
  const { body } = exchange.request;
  try {
    switch (exchange.api) {
      case 'converse': await client.send(new aws.ConverseCommand({ modelId, ...body })); break;
      case 'converse_stream':
        await drain((await client.send(new aws.ConverseStreamCommand({ modelId, ...body }))).stream); break;
      case 'invoke': await client.send(new aws.InvokeModelCommand({ modelId, body: JSON.stringify(body) })); break;
      default: await drain((await client.send(new aws.InvokeModelWithResponseStreamCommand(
        { modelId, body: JSON.stringify(body) }))).body);
    }
  } finally {
    client.destroy();
  }
}

(async () => {
  for (const id of ids) {
    const exchange = JSON.parse(fs.readFileSync(path.join(folder, `${id}.json`), 'utf8'));
    const fails = exchange.response.status >= 400 || exchange.expected.error;
    let failure = null;
    await { google, mistral, cohere, bedrock }[sdk](exchange).catch((error) => { failure = error; });
    if (failure && !fails) throw failure;
    if (!failure && fails) throw new Error(`${id}: the SDK takes a failure for an answer`);
  }
})().catch((error) => { console.error(error); process.exit(1); });
