// The rules that a sandbox's gateway shares with the public one, seen from inside a sandbox.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type Opened, openGateway } from './opened.ts'

const key = 'sk-unmistakable/inside+77c1e0&af'
const chat = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }

let openai: FakeOpenAi
let opened: Opened
beforeAll(async () => {
  openai = await startFakeOpenAi()
})
afterAll(() => openai.close())
afterEach(() => opened.close())

const open = async (OPENAI_API_KEY = key) => {
  opened = await openGateway({ provider: 'openai', env: { OPENAI_API_KEY }, servers: { OPENAI_BASE_URL: openai.url } })
}
const ask = (more: object = {}, headers: Record<string, string> = {}) =>
  opened.ask('/v1/chat/completions', { body: { ...chat, ...more }, headers })
const chunk = (content: string, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`
const streaming = (...words: string[]) => ({
  headers: eventStreamType,
  body: `${words.map((word) => chunk(word)).join('')}${chunk('', 'stop')}data: [DONE]\n\n`,
})
const said = (text: string): string => [...text.matchAll(/"content":"([^"]*)"/g)].map(([, words]) => words).join('')

describe('the key of a provider', () => {
  it.each([1, 5, 12])('is redacted where a stream splits it into pieces of %i characters', async (length) => {
    await open()
    openai.script(streaming('It is ', ...(key.match(new RegExp(`.{1,${length}}`, 'g')) ?? []), ', is it not?'))
    const { text, isCut } = await ask({ stream: true })
    // Its first characters may have left before it can be recognised.
    expect(said(text)).toMatch(/^It is .{0,5}\*\*\*, is it not\?$/)
    expect([said(text).includes(key.slice(6)), isCut]).toEqual([false, false])
  })

  it('is redacted in a whole answer, in a refusal and in headers', async () => {
    await open()
    openai.script({ body: { said: key }, headers: { 'openai-version': key } })
    const whole = await ask()
    openai.script({ status: 400, body: { error: { message: `No such key: ${key}` } } })
    const refused = await ask()
    expect([whole.body, whole.headers['openai-version']]).toEqual([{ said: '***' }, '***'])
    expect([refused.status, refused.body.error.message]).toEqual([400, 'No such key: ***'])
    expect(opened.gateway.usage().lastFailure?.message).toContain('No such key: ***')
  })

  it('is no secret where it is a plain word, which the answer may use', async () => {
    await open('ollama')
    openai.script({ body: { system_fingerprint: 'fp_ollama' } })
    expect((await ask()).body).toEqual({ system_fingerprint: 'fp_ollama' })
  })
})

describe('an account that many runs share', () => {
  it('is neither chosen nor acted in beyond one call', async () => {
    await open()
    const ofAccount = ['idempotency-key', 'openai-organization', 'openai-project', 'anthropic-organization-id']
    openai.script({ body: '{}', headers: { 'openai-organization': 'lender', 'x-request-id': 'r1' } })
    const { headers } = await ask({}, Object.fromEntries(ofAccount.map((name) => [name, 'x'])))
    const asked = openai.asked.at(-1)?.headers ?? {}
    expect(ofAccount.filter((name) => name in asked)).toEqual([])
    expect([headers['openai-organization'], headers['x-request-id']]).toEqual([undefined, 'r1'])
  })
})

describe('a refusal', () => {
  it.each([302, 399, 600, 999])('with status %i, which is none of an error, is a 502', async (status) => {
    await open()
    openai.script({ status, body: 'no' })
    expect((await ask()).status).toBe(502)
  })

  it("of the gateway itself has the types of the provider's own API", async () => {
    await open()
    const unknown = await opened.ask('/v1/unheard-of', { body: {} })
    expect([unknown.status, unknown.body.error.type]).toEqual([404, 'invalid_request_error'])
    const atAnthropic = await opened.ask('/anthropic/v1/unheard-of', { body: {} })
    expect([atAnthropic.status, atAnthropic.body.error.type]).toEqual([404, 'not_found_error'])
  })
})

describe('the last event of a stream', () => {
  it('counts without an empty line behind it', async () => {
    await open()
    const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
    const body = `${chunk('x', 'stop')}data: ${JSON.stringify({ choices: [], usage })}`
    openai.script({ headers: eventStreamType, body })
    expect((await ask({ stream: true })).isCut).toBe(false)
    expect(opened.gateway.usage()).toMatchObject({ answered: 1, prompt_tokens: 7, completion_tokens: 5 })
  })
})
