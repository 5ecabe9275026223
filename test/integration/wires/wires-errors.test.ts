import { afterEach, describe, expect, it } from 'vitest'
import { startFakeAnthropic } from '../../fakes/anthropic.ts'
import { frame, startFakeBedrock } from '../../fakes/bedrock.ts'
import { startFakeGemini } from '../../fakes/gemini.ts'
import { events, type FakeProvider } from '../../fakes/wire-server.ts'
import { all, asking, assembled, callerOf, type Foreign, foreign, key, worldOf } from '../gateway/foreign-wires.ts'

let fake: FakeProvider
afterEach(() => fake.close())

const of = (name: string): Foreign => foreign.find((one) => one.model.startsWith(name))!
const streamOf = async ({ model, env }: Foreign) => {
  const { chunks } = await worldOf(fake).models.stream(asking(model), callerOf(env))
  return assembled(await all(chunks))
}
const binary = { 'content-type': 'application/vnd.amazon.eventstream' }

describe('an error that comes as an event', () => {
  const overloaded = {
    event: 'error',
    data: { type: 'error', error: { type: 'overloaded_error', message: `busy ${key}` } },
  }
  const start = {
    event: 'message_start',
    data: {
      type: 'message_start',
      message: {
        id: 'm',
        type: 'message',
        role: 'assistant',
        model: 'x',
        content: [],
        usage: { input_tokens: 1, output_tokens: 1 },
      },
    },
  }
  const block = [
    {
      event: 'content_block_start',
      data: { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    },
    {
      event: 'content_block_delta',
      data: { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hal' } },
    },
  ]

  it('of Anthropic ends an answer that had begun', async () => {
    fake = await startFakeAnthropic()
    fake.script(events([start, ...block, overloaded]))
    const error = await streamOf(of('anthropic')).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'upstream_failed', extra: { upstream_status: 529 } })
    expect(error.message).toMatch(/answered 529: busy \*\*\*$/)
  })

  it('of Anthropic is tried again while nothing was said', async () => {
    fake = await startFakeAnthropic()
    fake.script(events([overloaded]))
    expect(await streamOf(of('anthropic'))).toMatchObject({ text: 'Grüße aus dem Süden 🌞', end: 'stop' })
    expect(fake.asked.length).toBe(2)
  })

  it('of Gemini ends an answer that had begun', async () => {
    fake = await startFakeGemini()
    const said = { candidates: [{ content: { role: 'model', parts: [{ text: 'Hal' }] }, index: 0 }] }
    const fault = { error: { code: 503, message: `tired ${key}`, status: 'UNAVAILABLE' } }
    fake.script(events([{ data: said }, { data: fault }]))
    const error = await streamOf(of('vertex')).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'upstream_failed', extra: { upstream_status: 503 } })
    expect(error.message).toMatch(/503: tired \*\*\*$/)
  })

  it.each([
    ['an exception', frame('throttlingException', { message: `slower ${key}` }, 'exception'), /slower \*\*\*/],
    ['bytes that were changed on the way', Buffer.concat([frame('messageStart', {}).fill(0x41, 30, 31)]), /checksum/],
    [
      'a frame that is not whole',
      frame('messageStop', { stopReason: 'end_turn' }).subarray(0, 40),
      /ended its answer early/,
    ],
  ])('of Bedrock ends an answer that had begun: %s', async (_, last, words) => {
    fake = await startFakeBedrock()
    const said = frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hal' } })
    fake.script({ headers: binary, body: Buffer.concat([frame('messageStart', { role: 'assistant' }), said, last]) })
    const error = await streamOf(of('bedrock')).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'upstream_failed', message: expect.stringMatching(words) })
  })
})

describe('what is shown to a model', () => {
  const asked = async (messages: object[], { model, env } = of('anthropic')) => {
    const world = worldOf(fake, async (url) => ({
      status: 404,
      headers: {},
      url,
      bytes: async () => Buffer.alloc(0),
      text: async () => '',
    }))
    const answer = await world.models.call(asking(model, { messages: messages as never }), callerOf(env))
    return { body: fake.asked.at(-1)?.body, warnings: answer.warnings }
  }
  const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }

  it('has its system prompt first, and says so where it stood elsewhere', async () => {
    fake = await startFakeAnthropic()
    const { body, warnings } = await asked([
      { role: 'user', content: 'Hi', name: 'anna' },
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: 'And?' },
    ])
    expect(body.system).toMatchObject([{ text: 'Be brief.' }])
    expect(warnings).toEqual([expect.stringContaining('messages[0].name'), expect.stringContaining('messages[1]')])
  })

  it('has documents, and marks of what is to be kept', async () => {
    fake = await startFakeAnthropic()
    const pdf = Buffer.from('%PDF-1.4').toString('base64')
    const { body } = await asked([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Read', cache_control: { type: 'ephemeral' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${pdf}` } },
          {
            type: 'file',
            file: {
              filename: 'a.txt',
              file_data: `data:text/plain;base64,${Buffer.from('plain words').toString('base64')}`,
            },
          },
        ],
      },
    ])
    const [first, second, third] = body.messages[0].content
    expect(first).toMatchObject({ text: 'Read', cache_control: { type: 'ephemeral' } })
    expect(second).toMatchObject({ type: 'document', source: { data: pdf, media_type: 'application/pdf' } })
    expect(third).toMatchObject({ type: 'document', source: { type: 'text', data: 'plain words' } })
  })

  it('is never a URL in the result of a tool, and never fetched past the guard', async () => {
    fake = await startFakeAnthropic()
    const result = { type: 'image_url', image_url: { url: 'http://169.254.169.254/latest/meta-data' } }
    const talk = [
      { role: 'user', content: 'Look' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: [result] },
    ]
    await expect(asked(talk)).rejects.toMatchObject({
      code: 'parameter_invalid',
      message: expect.stringContaining('404'),
    })
    expect(fake.asked).toEqual([])
  })

  it.each([
    [{ url: 'ftp://a.example/b.png' }, /begins with 'ftp:'/],
    [{ url: 'no url' }, /no URL and no data URI/],
    [{ url: 'data:image/svg+xml,<svg/>' }, /not base64/],
    [{}, /no text/],
  ])('is refused as an image: %j', async (image, words) => {
    fake = await startFakeAnthropic()
    await expect(asked([{ role: 'user', content: [{ type: 'image_url', image_url: image }] }])).rejects.toThrow(words)
  })
})
