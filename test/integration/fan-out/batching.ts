import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import type { Body, TestServer } from '../../server.ts'

/** What steps did, counted outside of everything that is recorded. */
export const effects = { done: [] as string[], atWork: 0, mostAtWork: 0, secrets: [] as (string | undefined)[] }

export const work = activity({
  name: 'work',
  category: 'control',
  description: 'Counts what it does.',
  parameters: z.object({
    text: z.string().describe('What it is called.'),
    ms: z.number().default(0).describe('How long it takes.'),
    fails: z.boolean().default(false).describe('Whether it fails.'),
  }),
  outputs: z.object({ text: z.string(), size: z.object({ letters: z.int() }) }),
  example: {},
  async run({ text, ms, fails }, context) {
    effects.atWork++
    effects.mostAtWork = Math.max(effects.mostAtWork, effects.atWork)
    try {
      if (ms > 0) await delay(ms, undefined, { signal: context.signal })
      effects.secrets.push(context.env('TOKEN'))
      effects.done.push(text)
      if (fails) throw new Error(`no ${text}`)
      return { text: text.toUpperCase(), size: { letters: text.length } }
    } finally {
      effects.atWork--
    }
  },
})

export const working = {
  init_params: { text: 'default', ms: 0, fails: false, kept: 'yes' },
  step_configs: {
    work: {
      activity: 'work',
      text_path: 'init_params.text',
      ms_path: 'init_params.ms',
      fails_path: 'init_params.fails',
    },
  },
  steps: ['work'],
}

/** Batches of `acme` on one server. */
export const makeBatching = (jetty: TestServer) => {
  const post = async (task: string, body: unknown, more: { key?: string; token?: string } = {}) => {
    const response = await fetch(`${jetty.url}/api/v1/run-batch/acme/${task}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        authorization: `Bearer ${more.token ?? jetty.server.adminToken}`,
        'content-type': 'application/json',
        ...(more.key === undefined ? {} : { 'idempotency-key': more.key }),
      },
    })
    return { status: response.status, body: (await response.json()) as Body }
  }
  const get = async (id: string): Promise<Body> => (await jetty.call('GET', `/api/v1/batches/acme/${id}`)).body
  const results = (id: string, query = '') => jetty.call('GET', `/api/v1/batches/acme/${id}/results${query}`)
  const ended = async (id: string, seconds = 120): Promise<Body> => {
    for (let looks = 0; looks < seconds * 20; looks++) {
      const batch = await get(id)
      if (batch.ended !== null) return batch
      await delay(50)
    }
    throw new Error(`never ended: ${JSON.stringify(await get(id))}`)
  }
  const run = async (task: string, body: object): Promise<Body> => {
    const started = await post(task, body)
    expect([started.status, started.body]).toEqual([200, expect.objectContaining({ status: 'pending' })])
    return ended(started.body.batch_id)
  }
  const upload = async (name: string, content: string, collection = 'acme'): Promise<Body> => {
    const form = new FormData()
    form.append('collection', collection)
    form.append('file', new Blob([content]), name)
    return (await jetty.call('POST', '/api/v1/files/upload', form)).body
  }
  const runsOf = async (task: string): Promise<Body[]> =>
    (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=500`)).body.trajectories
  return { post, get, results, ended, run, upload, runsOf }
}
