import { describe, expect, it } from 'vitest'
import { makeTestContext, modelAnswer, runActivity } from '../../../test/activity-context.ts'
import { testMedia } from '../../../test/media.ts'
import { jsonAnswer } from '../../lib/json/json-object.ts'
import type { ChatOptions, ChatRequest } from '../../model/gateway/chat.ts'
import { geminiPrompt, litellmChat, litellmVision } from './chat-activities.ts'

const asking = (text = 'fine', files = {}) => {
  const asked: { request: ChatRequest; options: ChatOptions | undefined }[] = []
  const context = makeTestContext({
    files,
    models: (request, options) => {
      asked.push({ request, options })
      return modelAnswer(text)
    },
  })
  return { asked, context }
}

describe('an answer in JSON', () => {
  it.each([
    ['{"a":1}', { a: 1 }],
    ['  [1, 2] ', [1, 2]],
    ['```json\n{"a":1}\n```', { a: 1 }],
    ['```\n{"a":1}\n```\n', { a: 1 }],
    ['null', null],
    ['Here you are: {"a":1}', undefined],
    ['```json\n{"a":\n```', undefined],
    ['', undefined],
  ])('%j is %j', (text, expected) => {
    expect(jsonAnswer(text)).toEqual(expected)
  })

  it('is looked for in time that grows with the text alone', () => {
    const started = performance.now()
    for (const text of ['```'.repeat(300_000), `\`\`\`json\n${'\n '.repeat(400_000)}x`])
      expect(jsonAnswer(text)).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})

describe('litellm_chat', () => {
  it('asks gpt-4o-mini where no model is named, and for nothing that was not given', async () => {
    const { asked, context } = asking()
    const outputs = await runActivity(litellmChat, { prompt: 'Hi' }, context)
    expect(asked).toEqual([
      {
        request: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] },
        options: { provider: undefined, key: undefined },
      },
    ])
    expect(outputs).toMatchObject({ text: 'fine', content: 'fine', finish_reason: 'stop', cost_usd: 0.001 })
    expect(context.warnings).toEqual([])
  })

  it('prefers prompt to the template of old workflows, and leaves what has no value', async () => {
    const { asked, context } = asking()
    await runActivity(litellmChat, { prompt: 'new', user_prompt_template: 'old' }, context)
    await runActivity(
      litellmChat,
      { user_prompt_template: 'a {{x}} {{y}}', user_prompt_params: { x: '{{y}}' } },
      context,
    )
    expect(asked.map(({ request }) => request.messages[0]?.content)).toEqual(['new', 'a {{y}} {{y}}'])
    expect(context.warnings).toEqual([
      "parameter 'prompt' is set, so 'user_prompt_template' is ignored",
      expect.stringContaining('are deprecated'),
      "placeholder '{{y}}' has no value and stays in the prompt",
    ])
  })

  it('never lets a member of the answer stand in for an output', async () => {
    const { context } = asking('{"text":"no","usage":1,"json":2,"__proto__":{"x":1},"own":3}')
    const outputs = await runActivity(litellmChat, { prompt: 'Hi', response_format: { type: 'json_object' } }, context)
    expect(outputs).toMatchObject({ own: 3, usage: { total_tokens: 10 }, text: expect.stringContaining('"own":3') })
    expect(Object.getPrototypeOf(outputs)).toBe(Object.prototype)
    expect(outputs).not.toHaveProperty('x')
  })
})

describe('images in an answer', () => {
  const uri = `data:image/png;base64,${testMedia.png.toString('base64')}`

  it('are stored, beside the text and within it', async () => {
    const context = makeTestContext({
      models: () => {
        const answer = modelAnswer(`Look: ![a](${uri})`)
        const message = {
          role: 'assistant',
          content: answer.text,
          images: [{ type: 'image_url', image_url: { url: uri } }],
        }
        return { ...answer, completion: { choices: [{ message }] }, warnings: ['seed is not taken'] }
      },
    })
    const outputs = (await runActivity(litellmChat, { prompt: 'Draw' }, context)) as Record<string, never>
    const paths = [...context.stored.keys()]
    expect(outputs).toMatchObject({
      text: `Look: ![a](${paths[0]})`,
      content: `Look: ![a](${paths[0]})`,
      images: [{ path: paths[0], content_type: 'image/png', extension: 'png', name: 'image.png' }, { path: paths[1] }],
    })
    expect(JSON.stringify(outputs)).not.toContain('base64')
    expect([...context.stored.values()].map(({ bytes }) => bytes)).toEqual([testMedia.png, testMedia.png])
    expect(context.warnings).toEqual(['seed is not taken'])
  })

  it('are not spoken of where there are none', async () => {
    expect(await runActivity(litellmChat, { prompt: 'Hi' }, asking().context)).not.toHaveProperty('images')
  })
})

describe('litellm_vision', () => {
  it('takes several images for what they are, whatever they are called', async () => {
    const files = {
      'acme/a.jpeg': { content_type: 'image/jpeg', body: testMedia.png },
      'acme/b.bin': { content_type: 'application/octet-stream', body: testMedia.webp },
    }
    const { asked, context } = asking('two', files)
    await runActivity(litellmVision, { prompt: 'How many?', image_path: ['acme/a.jpeg', 'acme/b.bin'] }, context)
    expect(asked[0]?.request.messages[0]?.content).toEqual([
      { type: 'text', text: 'How many?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${testMedia.png.toString('base64')}` } },
      { type: 'image_url', image_url: { url: `data:image/webp;base64,${testMedia.webp.toString('base64')}` } },
    ])
  })

  it('uses a URL in image_path and a storage path in image_url all the same, with a warning each', async () => {
    const { asked, context } = asking('two', { 'acme/a.png': { content_type: 'image/png', body: testMedia.png } })
    const places = { image_path: 'https://example.com/x.png', image_url: 'acme/a.png' }
    await runActivity(litellmVision, { prompt: 'x', ...places }, context)
    expect(asked[0]?.request.messages[0]?.content).toMatchObject([
      { type: 'text' },
      { image_url: { url: 'https://example.com/x.png' } },
      { image_url: { url: expect.stringMatching(/^data:image\/png/) } },
    ])
    expect(context.warnings).toHaveLength(2)
  })

  it.each([
    [{ image_path: 'acme/page.png' }, 'parameter_invalid', "'page.png' is not an image that models accept"],
    [{ image_path: 'acme/large.png' }, 'too_large', 'JETTY_MAX_MODEL_FILE_BYTES'],
    [{ image_path: Array(33).fill('acme/a.png') }, 'too_large', 'JETTY_MAX_MEDIA_FILES'],
    [{ image_url: 'data:image/png;base64,QUJD' }, 'parameter_invalid', 'data URI'],
  ])('does not take %j', async (places, code, words) => {
    const { asked, context } = asking('', {
      'acme/page.png': { content_type: 'image/png', body: '<html>' },
      'acme/large.png': { content_type: 'image/png', body: Buffer.alloc(20 * 1024 * 1024 + 1) },
    })
    const error = await runActivity(litellmVision, { prompt: 'x', ...places }, context).catch((thrown) => thrown)
    expect(error).toMatchObject({ code })
    expect(`${error.message} ${error.hint}`).toContain(words)
    expect(asked).toEqual([])
  })

  it('fails for an image that is not there', async () => {
    const { context } = asking()
    await expect(runActivity(litellmVision, { prompt: 'x', image_path: 'acme/no.png' }, context)).rejects.toThrow(
      "There is no file 'acme/no.png'",
    )
  })
})

it('gemini_prompt asks Google whatever the model is called', async () => {
  const { asked, context } = asking()
  await runActivity(geminiPrompt, { prompt: 'Hi' }, context)
  expect(asked[0]).toMatchObject({ request: { model: 'gemini-2.0-flash' }, options: { provider: 'gemini' } })
  await expect(runActivity(geminiPrompt, {}, context)).rejects.toThrow('gemini_prompt needs the parameter prompt')
})
