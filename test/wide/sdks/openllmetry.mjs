// OpenLLMetry by Traceloop, with a workflow around the call.
import * as traceloop from '@traceloop/node-server-sdk'
import OpenAI from 'openai'

const { JETTY_URL, JETTY_KEY, MODEL, SERVICE } = process.env
traceloop.initialize({
  appName: SERVICE,
  baseUrl: JETTY_URL,
  apiKey: JETTY_KEY,
  disableBatch: true,
  silenceInitializationMessage: true,
  instrumentModules: { openAI: OpenAI },
})
await traceloop.withAssociationProperties({ user_id: 'ada', session_id: 'conv-1' }, () =>
  traceloop.withWorkflow({ name: 'answer' }, () =>
    new OpenAI().chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }] }),
  ),
)
await traceloop.forceFlush()
