import type { Ask } from './ask.ts'

/** The same call with a body, or a query, that no endpoint would take. */
export const spoilt = (ask: Ask): Ask[] => {
  const { path, headers } = ask
  const search = path.includes('?') ? '&' : '?'
  const [target = ''] = path.split('?', 1)
  const bodies = [
    { raw: '' },
    { raw: '{"a' },
    { raw: '[]' },
    { raw: '{"a', headers: { 'content-type': 'multipart/form-data' } },
  ]
  const queries = [target, `${path}${search}limit=x&skip=-1&cursor=%00&level=x`]
  return [
    ...bodies.map((body) => ({ path, ...body, headers: { ...headers, ...body.headers } })),
    ...queries.map((changed) => ({ ...ask, path: changed })),
  ]
}
