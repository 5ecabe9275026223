import { expect, it } from 'vitest'
import { sendRequest } from './request.ts'

const asked: (RequestInit | undefined)[] = []
const redirecting: typeof fetch = async (_, request) => {
  asked.push(request)
  return new Response(null, { status: 307, headers: { location: 'https://elsewhere.example/api' } })
}

it('sends a body to no server that another one names', async () => {
  for (const body of ['json', 'form'] as const) {
    const operation = { method: 'POST', path: '/x', body } as const
    const sent = sendRequest('http://here', operation, { body: { secret: 'x' } }, {}, redirecting)
    await expect(sent).rejects.toMatchObject({
      code: 'upstream_failed',
      message: 'http://here/x redirects to https://elsewhere.example/api',
    })
  }
  expect(asked.map((request) => request?.redirect)).toEqual(['manual', 'manual'])
})
