// A server with somebody behind it, for the clients that people have.
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const openAiKey = 'sk-unmistakable-of-openai-4f1c77'
const anthropicKey = 'sk-ant-unmistakable-of-anthropic-90be2d'

export interface Gateway {
  jetty: TestServer
  /** Covers `acme` alone. */
  key: string
  openAi: FakeOpenAi
  anthropic: FakeOpenAi
  /** The trajectory that an answer names in its headers. */
  recorded(task: string, headers: { get(name: string): string | null }): Promise<Body>
  close(): Promise<void>
}

export { anthropicKey, openAiKey }

export const startGateway = async (more: Record<string, string> = {}): Promise<Gateway> => {
  const [openAi, anthropic] = await Promise.all([startFakeOpenAi(), startFakeOpenAi()])
  const jetty = await startTestServer({
    env: { OPENAI_BASE_URL: openAi.url, ANTHROPIC_BASE_URL: anthropic.url, ...more },
  })
  const environment_variables = { OPENAI_API_KEY: openAiKey, ANTHROPIC_API_KEY: anthropicKey }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'client', collection_name: 'acme' })
  return {
    jetty,
    key: made.body.api_key,
    openAi,
    anthropic,
    recorded: (task, headers) => jetty.get(task, headers.get('x-jetty-trajectory-id') ?? 'none'),
    async close() {
      await jetty.close()
      await Promise.all([openAi.close(), anthropic.close()])
    },
  }
}
