import type { Body, TestServer } from '../../server.ts'

/** A registered worker under test. */
export interface TestWorker {
  id: string
  poll(more?: Record<string, unknown>): Promise<{ status: number; body: Body }>
  /** Polls until it has a job. */
  take(more?: Record<string, unknown>): Promise<Body>
  say(
    job: Body,
    verb: 'heartbeat' | 'complete' | 'fail',
    body?: Record<string, unknown>,
  ): Promise<{ status: number; body: Body }>
}

/** Registers a worker that offers activities by their names, or by their definitions. */
export const startTestWorker = async (
  server: Pick<TestServer, 'call'>,
  activities: (string | Record<string, unknown>)[],
  more: Record<string, unknown> = {},
  token?: string,
): Promise<TestWorker> => {
  const offered = activities.map((one) => (typeof one === 'string' ? { name: one } : one))
  const body = { name: 'test', activities: offered, ...more }
  const registered = await server.call('POST', '/api/v1/workers', body, token)
  if (registered.status !== 200) throw new Error(JSON.stringify(registered.body))
  return testWorker(server, registered.body.worker_id, token)
}

/** The same worker through another server, or with another token. */
export const testWorker = (server: Pick<TestServer, 'call'>, id: string, token?: string): TestWorker => {
  const path = `/api/v1/workers/${id}`
  const poll: TestWorker['poll'] = (more) => server.call('POST', `${path}/poll`, { wait_seconds: 20, ...more }, token)
  return {
    id,
    poll,
    async take(more) {
      for (let tries = 0; tries < 3; tries++) {
        const { body } = await poll(more)
        if (body.jobs?.length > 0) return body.jobs[0]
      }
      throw new Error('no job came')
    },
    say: (job, verb, more) =>
      server.call('POST', `${path}/jobs/${job.job_id}/${verb}`, { epoch: job.epoch, ...more }, token),
  }
}
