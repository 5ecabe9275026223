import { describe, expect, it } from 'vitest'
import type { ChatOptions, ChatRequest } from '../../model/chat.ts'
import { makeTestContext, modelAnswer, runActivity } from '../test-context.ts'
import { geminiPrompt } from './gemini-prompt.ts'
import { jsonAnswer } from './json-answer.ts'
import { litellmChat } from './litellm-chat.ts'
import { litellmVision } from './litellm-vision.ts'

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
    expect(performance.now() - started).toBeLessThan(2000)
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
      expect.stringContaining('old names'),
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

describe('litellm_vision', () => {
  it('takes several images, those that only their name tells of included', async () => {
    const files = {
      'acme/a.png': { content_type: 'image/png', body: 'A' },
      'acme/b.webp': { content_type: 'application/octet-stream', body: 'B' },
    }
    const { asked, context } = asking('two', files)
    await runActivity(litellmVision, { prompt: 'How many?', image_path: ['acme/a.png', 'acme/b.webp'] }, context)
    expect(asked[0]?.request.messages[0]?.content).toEqual([
      { type: 'text', text: 'How many?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,QQ==' } },
      { type: 'image_url', image_url: { url: 'data:image/webp;base64,Qg==' } },
    ])
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
  await expect(runActivity(geminiPrompt, {}, context)).rejects.toThrow('gemini_prompt needs prompt')
})
