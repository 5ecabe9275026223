import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Fetch } from '../../lib/net/net.ts'
import { findProvider } from '../catalogue.ts'
import type { Target } from '../provider.ts'
import { makeModelLists } from './models.ts'

const target = (id: string, key = 'k'): Target => {
  const provider = findProvider(id)!
  return {
    provider,
    model: '',
    native: true,
    url: '',
    base_url: provider.base_url,
    trusted: false,
    headers: { authorization: `Bearer ${key}` },
    key,
  }
}

const asked: [url: string, authorization: string | undefined][] = []
let answer: (url: string) => unknown = () => ({ data: [] })
const fetch: Fetch = async (url, request) => {
  asked.push([url, request?.headers?.authorization])
  const body = await answer(url)
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { status: 200, headers: {}, url, bytes: async () => new Uint8Array(), text: async () => text }
}
const trustedFetch: Fetch = () => Promise.reject(new Error('nobody is trusted here'))
const listing = (keptSeconds = 3600) => makeModelLists({ fetch, trustedFetch, keptSeconds })
const list = (...ids: string[]) => ({ data: ids.map((id) => ({ id, object: 'model' })) })

beforeEach(() => {
  asked.length = 0
  answer = () => list('a', 'b')
})

describe('the list of a provider', () => {
  it.each([
    ['groq', 'https://api.groq.com/openai/v1/models', 'Bearer k'],
    ['deepseek', 'https://api.deepseek.com/models', 'Bearer k'],
    ['anthropic', 'https://api.anthropic.com/v1/models', 'Bearer k'],
    ['gemini', 'https://generativelanguage.googleapis.com/v1beta/openai/models', 'Bearer k'],
    ['voyage', 'https://api.voyageai.com/v1/models', 'Bearer k'],
    ['openrouter', 'https://openrouter.ai/api/v1/models', undefined],
  ])('of %s is at %s', async (id, url, authorization) => {
    const lists = listing()
    expect(lists.known(target(id))).toBeUndefined()
    await lists.ask([target(id)])
    expect(asked).toEqual([[url, authorization]])
    expect(lists.known(target(id))).toEqual(['a', 'b'])
  })

  it('is asked for once, however many want it, and anew when it is old', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const lists = listing(100)
    await Promise.all([lists.ask([target('groq'), target('groq')]), lists.ask([target('groq')])])
    await lists.ask([target('groq')])
    expect(asked).toHaveLength(1)
    vi.setSystemTime(Date.now() + 100_001)
    expect(lists.known(target('groq'))).toBeUndefined()
    await lists.ask([target('groq')])
    expect(asked).toHaveLength(2)
    vi.useRealTimers()
  })

  it('belongs to a key, but for the one that is public', async () => {
    const lists = listing()
    await lists.ask([target('groq', 'one'), target('openrouter', 'one')])
    expect(lists.known(target('groq', 'two'))).toBeUndefined()
    expect(lists.known(target('openrouter', 'two'))).toEqual(['a', 'b'])
  })

  it.each(['<html>', '[]', { data: 'x' }, { data: [{ id: 7 }] }, { data: [{ id: 'x'.repeat(500) }] }])(
    'is none where %j comes instead, and is not asked for again at once',
    async (junk) => {
      answer = () => junk
      const lists = listing()
      await lists.ask([target('groq')])
      await lists.ask([target('groq')])
      expect(lists.known(target('groq'))).toBeUndefined()
      expect(asked).toHaveLength(1)
    },
  )

  it('is cut where it is endless, names each model once, and leaves out what cannot be asked', async () => {
    answer = () => list('x', 'x', 'whisper-1', 'tts-1', 'y', ...Array.from({ length: 30_000 }, (_, n) => `m-${n}`))
    const lists = listing()
    await lists.ask([target('groq')])
    const known = lists.known(target('groq')) ?? []
    expect([known.length, known.slice(0, 3)]).toEqual([2000, ['x', 'y', 'm-0']])
  })

  it('is written by Gemini with something before each name', async () => {
    answer = () => list('models/gemini-2.0-flash')
    const lists = listing()
    await lists.ask([target('gemini')])
    expect(lists.known(target('gemini'))).toEqual(['gemini-2.0-flash'])
  })

  it('is not waited for long, and known once it is there', async () => {
    let give: (body: unknown) => void = () => {}
    answer = (url) => (url.includes('groq') ? new Promise((resolve) => (give = resolve)) : list('quick'))
    const lists = listing()
    const started = performance.now()
    await lists.ask([target('groq'), target('mistral')])
    expect(performance.now() - started).toBeLessThan(20_000)
    expect([lists.known(target('groq')), lists.known(target('mistral'))]).toEqual([undefined, ['quick']])
    give(list('slow'))
    await vi.waitFor(() => expect(lists.known(target('groq'))).toEqual(['slow']), 20_000)
  })

  it('is asked of nobody where it is not to be kept', async () => {
    const lists = listing(0)
    await lists.ask([target('groq')])
    expect(asked).toEqual([])
  })
})
