// A server that `jetty import` copies from, and that means harm.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HostileSource {
  url: string
  /** Paths that were asked for. */
  asked: string[]
  close(): void
}

const runAt = (collection: string, at: number, params: object, steps: unknown) => ({
  ...{ trajectory_id: `aaaa000${at}`, status: 'completed', created: `2026-01-0${at}T00:00:00Z`, ended: null },
  ...{ collection, task: 'one', init_params: params, steps, labels: [] },
})

/** Starts a source whose file redirects to `inside`, an address of this machine, and whose pages never end. */
export const startHostileSource = async (inside: string): Promise<HostileSource> => {
  const asked: string[] = []
  const workflow = { step_configs: { say: { activity: 'text_echo', text: 'hello' } }, steps: ['say'] }
  const task = { name: 'one', collection_name: 'trap', workflow, description: null }
  const runs = [
    runAt('trap', 1, { file_paths: ['trap/one/0000/redirected.txt', 'trap/../0000/keys'] }, {}),
    runAt('trap', 2, {}, { say: null }),
  ]
  const routine = {
    name: 'tick',
    task: 'one',
    cadence: { type: 'daily', hour_utc: 9 },
    secret_param_keys: ['HOOK_KEY'],
  }
  const answers: Record<string, unknown> = {
    '/api/v1/collections/trap': {
      ...{ name: 'trap', description: '', environment_variables: { '\u001b[31mRED': 'secret-of-the-source' } },
    },
    '/api/v1/tasks/trap': [task],
    '/api/v1/db/trajectories/trap/one': { trajectories: runs, total: 2, has_more: true, next_cursor: 'again' },
    '/api/v1/routines/trap': { routines: [routine] },
  }
  const answer = (response: ServerResponse, status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://source')
    asked.push(pathname)
    if (pathname.includes('redirected')) response.writeHead(302, { location: inside }).end()
    else if (Object.hasOwn(answers, pathname)) answer(response, 200, answers[pathname])
    else answer(response, 404, { detail: 'Not Found' })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
