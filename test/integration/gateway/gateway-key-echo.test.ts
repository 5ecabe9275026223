import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventStreamType, type FakeOpenAi, type Script, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const key = 'sk-unmistakable/echo+77c1e0&af'
const anthropicKey = 'sk-ant-unmistakable-echo-55'

let fake: FakeOpenAi
let jetty: TestServer
let token: string

const environment = (OPENAI_API_KEY: string) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY, ANTHROPIC_API_KEY: anthropicKey },
  })

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({
    env: { OPENAI_BASE_URL: fake.url, ANTHROPIC_BASE_URL: `http://127.0.0.1:${fake.port}` },
  })
  await environment(key)
  token = (await jetty.call('POST', '/api/v1/api-keys', { name: 'client', collection_name: 'acme' })).body.api_key
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
})

const ask = async (script: Script, more: Body = {}, path = '/v1/chat/completions') => {
  fake.script(script)
  const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }], ...more }
  const answer = await rawPost(jetty.url + path, JSON.stringify(body), { authorization: `Bearer ${token}` })
  return { ...answer, json: (): Body => JSON.parse(answer.text) }
}
const said = (content: string) => ({
  id: 'x',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
})
const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason }] })}\n\n`
const events = (words: string[], member = 'content') =>
  `${words.map((word) => chunk({ [member]: word })).join('')}${chunk({}, 'stop')}data: [DONE]\n\n`
const streaming = (body: string, more: Partial<Script> = {}): Script => ({ headers: eventStreamType, body, ...more })
/** The words of a stream as its client puts them together; whatever is no JSON fails. */
const wordsOf = (text: string, member = 'content'): string =>
  text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event): Body => JSON.parse(event.slice(6)))
    .map((event) => event.choices[0]?.delta[member] ?? '')
    .join('')
const piecesOf = (text: string, length: number) => text.match(new RegExp(`.{1,${length}}`, 'gs')) ?? []

const spellings: [string, string][] = [
  ['as it is', key],
  ['behind Bearer', `Bearer ${key}`],
  ['in base64', Buffer.from(key).toString('base64')],
  ['in base64 with what stands before it', Buffer.from(`Bearer ${key}`).toString('base64')],
  ['as a URL has it', encodeURIComponent(key)],
  ['in JSON inside of JSON', JSON.stringify({ authorization: `Bearer ${key}` })],
]
/** What of a spelling would tell the key. */
const isTold = (text: string, spelling: string) =>
  [spelling, key, JSON.stringify(spelling).slice(1, -1)].some((one) => text.includes(one.slice(8, -4)))

describe('a key that a provider says again in its answer', () => {
  it.each(spellings)('%s, leaves neither whole, nor large, nor as an event', async (_, spelling) => {
    const whole = await ask({ body: said(`It is ${spelling}, is it not?`) })
    expect(whole.json().choices[0].message.content).toMatch(/^It is .*\*\*\*.*, is it not\?$/)
    const large = await ask({ body: said(`${'a'.repeat(200_000)}${spelling}${'b'.repeat(200_000)}`) })
    expect(large.json().choices[0].message.content).toMatch(/^a+\W?.*\*\*\*.*b+$/)
    const streamed = await ask(streaming(events(['It is ', spelling, ', is it not?'])), { stream: true })
    expect(wordsOf(streamed.text)).toMatch(/^It is .*\*\*\*.*, is it not\?$/)
    for (const { text, isWhole } of [whole, large, streamed])
      expect([isTold(text, spelling), isWhole]).toEqual([false, true])
  })

  it.each([1, 7, 4096, 65_536])('is found wherever its bytes were cut: every %i', async (pieceBytes) => {
    const filling = pieceBytes < 100 ? 'x' : 'x'.repeat(65_530)
    const large = await ask({ body: said(`${filling}${key}${filling}${key}`), pieceBytes })
    expect(large.json().choices[0].message.content).toBe(`${filling}***${filling}***`)
    const streamed = await ask(streaming(events(['a ', key, ' b']), { pieceBytes }), { stream: true })
    expect([wordsOf(streamed.text), streamed.text.endsWith('data: [DONE]\n\n')]).toEqual(['a *** b', true])
  })

  it.each([1, 2, 3, 5, 8, 20])(
    'is found in words of %i characters: only the first of them may be told',
    async (length) => {
      for (const member of ['content', 'reasoning_content']) {
        const words = piecesOf(`So: ${key}! Or sk-unmistakable/other, or ${key}`, length)
        const { text, headers } = await ask(streaming(events(words, member)), { stream: true })
        expect(wordsOf(text, member)).toMatch(
          /^So: (sk-un)?s?k?-?u?\*\*\*! Or sk-unmistakable\/other, or s?k?-?u?n?\*\*\*$/,
        )
        const run = await jetty.get('_chat', headers['x-jetty-trajectory-id'] ?? '')
        expect([run.status, JSON.stringify(run).includes('echo')]).toEqual(['completed', false])
      }
    },
  )

  it('is found in calls of tools and in comments, and words that only begin like it are all there', async () => {
    const pieces = piecesOf(JSON.stringify({ token: key }), 9)
    const called = pieces.map((piece) => chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] })).join('')
    const { text } = await ask(streaming(`: asked with ${key}\n\n${called}${events(['sk-unmi', 'st'])}`), {
      stream: true,
    })
    expect([text.includes('echo'), text.includes('***'), wordsOf(text)]).toEqual([false, true, 'sk-unmist'])
  })

  it('is found where an answer is put into another form, and in those of Anthropic', async () => {
    const event = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
    const delta = (text: string) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
    const body =
      event('message_start', {
        message: {
          id: 'm',
          type: 'message',
          role: 'assistant',
          content: [],
          model: 'c',
          usage: { input_tokens: 3, output_tokens: 1 },
        },
      }) +
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
      delta('It is sk-ant-unmi') +
      event('ping', {}) +
      delta('stakable-echo-55.') +
      event('content_block_stop', { index: 0 }) +
      event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } }) +
      event('message_stop', {})
    const claude = { model: 'claude-sonnet-4-6', max_tokens: 9, stream: true }
    const native = await ask(streaming(body), claude, '/v1/messages')
    expect([native.text.includes('55'), native.text.includes('***'), native.text.includes('ping')]).toEqual([
      false,
      true,
      true,
    ])
    expect(native.text).toMatch(/event: message_stop\ndata: .*\n\n$/)
    const converted = await ask(streaming(body), claude)
    expect(wordsOf(converted.text), converted.text).toBe('It is ***.')
  })
})
