import { createHmac } from 'node:crypto'
import { pause } from '../../../src/lib/time.ts'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { httpCall } from '../../http-call.ts'
import type { Body, TestServer } from '../../server.ts'

/** Echoes the parameter `text`. */
export const echoing: Workflow = {
  init_params: { text: 'none' },
  step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['echo'],
}

export const hmac = (secret: string | Buffer, text: string, encoding: 'hex' | 'base64' = 'hex'): string =>
  createHmac('sha256', secret).update(text).digest(encoding)

export interface Received {
  status: number
  body: Body
}

/** Sends what a service would send to a hook, without a key. */
export const post = async (url: string, text: string, headers: Record<string, string>): Promise<Received> => {
  const answer = await httpCall('POST', url, { 'content-type': 'application/json', ...headers }, text)
  return { status: answer.status, body: JSON.parse(answer.text) }
}

/** What GitHub sends. */
export const github = (
  { url, secret }: { url: string; secret: string },
  { id, event = 'push', body }: { id: string; event?: string; body: unknown },
  more: Record<string, string> = {},
): Promise<Received> => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const signature = `sha256=${hmac(secret, text)}`
  return post(url, text, {
    ...{ 'x-hub-signature-256': signature, 'x-github-delivery': id, 'x-github-event': event },
    ...more,
  })
}

export interface TestHooks {
  create(fields: object): Promise<Body>
  deliveries(name: string, query?: string): Promise<Body[]>
  /** Waits until no delivery of a hook waits, and gives all, newest first. */
  settled(name: string): Promise<Body[]>
  one(name: string, number: number): Promise<Body>
}

export const testHooks = ({ call }: Pick<TestServer, 'call'>): TestHooks => {
  const path = '/api/v1/hooks/acme'
  const deliveries: TestHooks['deliveries'] = async (name, query = '') =>
    (await call('GET', `${path}/${name}/deliveries${query}`)).body.deliveries
  return {
    deliveries,
    async create(fields) {
      const answer = await call('POST', path, fields)
      if (answer.status !== 201) throw new Error(`no hook: ${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    async settled(name) {
      for (const begun = performance.now(); ; await pause(20)) {
        const found = await deliveries(name)
        if (found.every(({ state }) => state !== 'waiting')) return found
        if (performance.now() - begun > 120_000) throw new Error(`they wait: ${JSON.stringify(found)}`)
      }
    },
    one: async (name, number) => (await call('GET', `${path}/${name}/deliveries/${number}`)).body,
  }
}
