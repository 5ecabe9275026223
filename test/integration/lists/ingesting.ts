import type { Body, TestServer } from '../../server.ts'

/** What the tests of sent-in runs do with a server that has only just been started. */
export const ingesting = (jetty: () => TestServer) => {
  let count = 0
  const api = (method: string, path: string, body?: unknown, token?: string) =>
    jetty().call(method, `/api/v1${path}`, body, token)
  return {
    api,
    ingest: (task: string, body: unknown, token?: string) =>
      api('POST', `/trajectories/acme/${task}/ingest`, body, token),
    get: async (task: string, id: string): Promise<Body> =>
      (await api('GET', `/db/trajectory/acme/${task}/${encodeURIComponent(id)}`)).body,
    stats: async (task: string): Promise<Body> => (await api('GET', `/db/stats/acme/${task}`)).body,
    pairs: (labels: Body[]) => labels.map(({ key, value, author }) => [key, value, author]),
    freshTask: () => `evals-${++count}`,
  }
}
