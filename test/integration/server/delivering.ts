import { pause } from '../../../src/lib/time.ts'
import { type Body, startTestServer, type TestServer, type TestServerOptions } from '../../server.ts'
import { type Answering, startReceiver, type WebhookReceiver } from '../../webhook-receiver.ts'

export const told = { step_configs: { say: { activity: 'text_echo', text: 'told' } }, steps: ['say'] }

/** A server that delivers webhooks to this machine, and receivers for them. */
export interface Delivering {
  jetty: TestServer
  /** A task whose runs are over at once. What follows is about runs of it, where no other one is given. */
  task: string
  receive(answering?: Answering): Promise<WebhookReceiver>
  /** Starts a run and gives its id. */
  start(form: Record<string, unknown>, of?: string): Promise<string>
  path(id: string, of?: string): string
  deliveries(id: string, of?: string): Promise<Body>
  /** Its deliveries once none is to come. */
  settled(id: string, of?: string): Promise<Body>
  close(): Promise<void>
}

const longestWaitMs = 25_000

/** Looks until what it sees fits; fails after 25 seconds. */
export const until = async <Value>(
  look: () => Value | Promise<Value>,
  fits: (value: Value) => boolean,
): Promise<Value> => {
  for (const begun = performance.now(); ; ) {
    const value = await look()
    if (fits(value)) return value
    if (performance.now() - begun > longestWaitMs) throw new Error(`never so: ${JSON.stringify(value)}`)
    await pause(25)
  }
}

/** Receivers that answer have so much time that a busy machine does not take it from them; `timeoutSeconds` is for others. */
export const startDelivering = async ({
  timeoutSeconds = 20,
  ...options
}: Pick<TestServerOptions, 'clock'> & { timeoutSeconds?: number } = {}): Promise<Delivering> => {
  const env = {
    JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1',
    JETTY_WEBHOOK_TIMEOUT_SECONDS: String(timeoutSeconds),
    JETTY_WEBHOOK_BYTES: '1MiB',
  }
  const jetty = await startTestServer({ env, beatMs: 50, ...options })
  const task = await jetty.task(told)
  const receivers: WebhookReceiver[] = []
  const path = (id: string, of = task) => `/api/v1/trajectory/acme/${of}/${id}/deliveries`
  const deliveries = async (id: string, of = task): Promise<Body> => (await jetty.call('GET', path(id, of))).body
  return {
    jetty,
    task,
    async receive(answering) {
      const receiver = await startReceiver(answering)
      receivers.push(receiver)
      return receiver
    },
    start: async (form, of = task) => (await jetty.start(of, form)).trajectory_id,
    path,
    deliveries,
    settled: (id, of) =>
      until(
        () => deliveries(id, of),
        ({ state }) => state === 'delivered' || state === 'failed',
      ),
    async close() {
      for (const receiver of receivers) receiver.close()
      await jetty.close()
    },
  }
}
