// The playground on a real server: models of a fake provider, streams, images, records, and steps opened in it.
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { evaluate, expectSound, newVisitor, takeShots, type Visitor, withoutAnswers } from './pages.ts'

let fake: FakeOpenAi
let jetty: TestServer
let visitor: Visitor
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({
    webFolder: join(dirname(await builtProgram()), 'web'),
    env: { OPENAI_BASE_URL: fake.url },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-of-the-playground-1' },
  })
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'mara', collection_name: 'acme' })
  visitor = await newVisitor(jetty.url)
  const { page } = visitor
  await page.goto('/sign-in')
  await page.getByLabel('Key').fill(made.body.api_key)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Collections' }).waitFor()
}, 120_000)
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
  await fake?.close()
})

const message = () => visitor.page.getByLabel('Message')
const answerOf = (model: string) => visitor.page.getByRole('article', { name: `Answer of ${model}` })
const ask = async (text: string) => {
  await message().fill(text)
  await visitor.page.keyboard.press('ControlOrMeta+Enter')
}
const pick = async (which: string, name: string) => {
  const { page } = visitor
  await page.getByRole('button', { name: new RegExp(`^${which}: `) }).click()
  await page.getByRole('combobox', { name: /Find a model/ }).fill(name)
  await page.getByRole('option', { name }).first().waitFor()
  await page.keyboard.press('Enter')
}
const begin = async (search: string) => {
  await visitor.page.goto(`/-/playground?collection=acme${search}`)
  const clear = visitor.page.getByRole('button', { name: 'New conversation' })
  await message().waitFor()
  if (await clear.isEnabled()) await clear.click()
  const removals = visitor.page.getByRole('button', { name: /^Remove / })
  for (let left = await removals.count(); left > 0; left--) await removals.first().click()
}

test('a model is chosen and its answer streams, with what it took, on the record of the person', async () => {
  const { page } = visitor
  await page.keyboard.press('g')
  await page.keyboard.press('p')
  await page.getByRole('heading', { name: 'Playground' }).waitFor()
  await pick('Model', 'gpt-4o-mini')
  await page.waitForURL(/model=gpt-4o-mini/)
  await page.getByText('128k context · $0.15 in, $0.6 out per 1M').first().waitFor() // the list that closes has it, too
  fake.script({ headers: eventStreamType, body: eventStream('gpt-4o-mini', 'It is **long** indeed.'), pieceBytes: 200 })
  await page.getByLabel('Temperature').fill('0.5')
  await page.getByLabel('System prompt').fill('Be brief.')
  await ask('How long is a jetty?')
  const answer = answerOf('gpt-4o-mini')
  await answer.locator('strong', { hasText: 'long' }).waitFor()
  await answer.getByText('1.0k in · 100 out · $0.0002').waitFor()
  await answer.getByText('first token').waitFor()
  expect(fake.asked.at(-1)?.body).toMatchObject({
    temperature: 0.5,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'How long is a jetty?' },
    ],
  })
  await ask('And how wide?')
  await page.getByText('You said: And how wide?').waitFor()
  expect(fake.asked.at(-1)?.body.messages.map((one: { role: string }) => one.role)).toEqual([
    ...['system', 'user', 'assistant', 'user'],
  ])
  await page.reload() // the conversation is of this tab
  await page.getByText('You said: And how wide?').waitFor()
  await takeShots(visitor, 'playground')
  await answerOf('gpt-4o-mini').last().getByText('$0.0002').waitFor()
  await answerOf('gpt-4o-mini')
    .last()
    .getByRole('link', { name: /Recorded as/ })
    .click()
  await page.getByRole('heading', { name: 'completion' }).waitFor()
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  expect((await jetty.get('_chat', id)).author).toBe('api-key:mara')
})

test('the call is opened in the playground again from its record', async () => {
  const { page } = visitor
  await page.getByRole('link', { name: 'Playground' }).last().click()
  await expect.poll(() => message().inputValue()).toBe('And how wide?')
  await page.waitForURL((url) => url.searchParams.get('model') === 'gpt-4o-mini' && !url.searchParams.has('from'))
  expect(await page.getByLabel('System prompt').inputValue()).toBe('Be brief.')
  expect(await page.getByLabel('Temperature').inputValue()).toBe('0.5')
  await page.getByRole('list', { name: 'Before this' }).getByText('How long is a jetty?').waitFor()
  await page.getByText('What you had here was replaced by the step').waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByText('You said: And how wide?').waitFor()
})

test('two models answer the same beside each other, and one does not wait for the other', async () => {
  const { page } = visitor
  await begin('&model=gpt-4o-mini')
  await page.getByRole('button', { name: 'Second model' }).click()
  await pick('Second model', 'scripted/echo')
  fake.script({ delayMs: 1_500 })
  await ask('Hello')
  await answerOf('scripted/echo').getByText('Recorded as').waitFor()
  await answerOf('gpt-4o-mini').getByText('You said: Hello').waitFor()
  await answerOf('gpt-4o-mini').getByText('Recorded as').waitFor()
  await expectSound(visitor, 'two models')
  await page.setViewportSize({ width: 1280, height: 800 })
})

test('images are picked, pasted and dropped, and the model is sent their bytes', async () => {
  const { page } = visitor
  await begin('&model=gpt-4o-mini')
  const picked = { name: 'picked.png', mimeType: 'image/png', buffer: Buffer.from(pixel, 'base64') }
  await page
    .getByLabel('Choose images')
    .setInputFiles([picked, { ...picked, name: 'a.svg', mimeType: 'image/svg+xml' }])
  await page.getByText('a.svg: Models take PNG, JPEG, WebP and GIF images').waitFor()
  const bring = (event: string, name: string, carrier: string) =>
    evaluate(
      page,
      `(() => {
        const data = new DataTransfer()
        data.items.add(new File([Uint8Array.from(atob('${pixel}'), (one) => one.charCodeAt(0))], '${name}', { type: 'image/png' }))
        document.querySelector('textarea[placeholder="Ask something"]').dispatchEvent(
          new ${event === 'paste' ? 'ClipboardEvent' : 'DragEvent'}('${event}', { bubbles: true, cancelable: true, ${carrier}: data }))
      })()`,
    )
  await bring('paste', 'pasted.png', 'clipboardData')
  await bring('drop', 'dropped.png', 'dataTransfer')
  await expect.poll(() => page.getByRole('list', { name: 'Images' }).getByRole('listitem').count()).toBe(3)
  await page.getByRole('button', { name: 'Remove pasted.png' }).click()
  await ask('What is this?')
  await page.getByText('You showed me something.').waitFor()
  expect(fake.asked.at(-1)?.body.messages.at(-1).content).toMatchObject([
    { image_url: { url: `data:image/png;base64,${pixel}` } },
    { image_url: { url: `data:image/png;base64,${pixel}` } },
    { type: 'text', text: 'What is this?' },
  ])
  // Its record keeps the image as a file; opened from there, it is an image that can be sent again.
  await page.getByRole('link', { name: /Recorded as/ }).click()
  await page.getByRole('heading', { name: 'completion' }).waitFor()
  await page.getByRole('link', { name: 'Playground' }).last().click()
  await page.getByRole('list', { name: 'Images' }).getByRole('listitem').nth(1).waitFor()
  await page.getByRole('button', { name: 'Send' }).click()
  await expect.poll(() => fake.asked.at(-1)?.body.messages.at(-1)?.content[0]?.image_url?.url).toContain(pixel)
})

test('a step of a run is opened with its prompt, model and parameters', async () => {
  const { page } = visitor
  const run = await jetty.run({
    init_params: { topic: 'harbours' },
    step_configs: {
      draft: {
        ...{ activity: 'litellm_chat', model: 'gpt-4o-mini', max_tokens: 50, system_prompt: 'Be kind.' },
        prompt: 'A line about {{init_params.topic}}',
        response_format: { type: 'json_object' },
      },
      say: { activity: 'text_echo', text: 'done' },
    },
    steps: ['draft', 'say'],
  })
  await page.goto(`/acme/${run.task}/${run.trajectory_id}?step=say`)
  await page.getByRole('heading', { name: 'say' }).waitFor()
  expect(await page.getByRole('link', { name: 'Playground' }).count()).toBe(0)
  await page.goto(`/acme/${run.task}/${run.trajectory_id}?step=draft`)
  await page.getByRole('link', { name: 'Playground' }).click()
  await expect.poll(() => message().inputValue()).toBe('A line about harbours')
  expect(await page.getByLabel('Max tokens').inputValue()).toBe('50')
  expect(await page.getByLabel('Answer', { exact: true }).inputValue()).toBe('json_object')
  await page.getByRole('button', { name: 'Model: gpt-4o-mini' }).waitFor()
})

test('an answer is stopped by Escape, and what had come is on record as cancelled', async () => {
  const { page } = visitor
  await begin('&model=gpt-4o-mini')
  fake.script({ headers: eventStreamType, body: eventStream('gpt-4o-mini', 'One two three'), stallAfterBytes: 500 })
  await ask('Count')
  await answerOf('gpt-4o-mini').getByText('One').waitFor()
  await page.keyboard.press('Escape')
  await answerOf('gpt-4o-mini').getByText('stopped').waitFor()
  const link = answerOf('gpt-4o-mini').getByRole('link', { name: /Recorded as/ })
  const id = /Recorded as (\S+)/.exec((await link.textContent()) ?? '')?.[1] ?? ''
  await expect.poll(async () => (await jetty.get('_chat', id)).status).toBe('cancelled')
})

test('what is refused says what to do, and the refusal of a provider does not end the session', async () => {
  const { page } = visitor
  await begin('&model=groq/llama-3.3-70b-versatile')
  await ask('Hello')
  const refused = answerOf('groq/llama-3.3-70b-versatile').getByRole('alert')
  await refused.getByText('GROQ_API_KEY').first().waitFor()
  const set = refused.getByRole('link', { name: 'Set the key in the environment of acme' })
  expect(await set.getAttribute('href')).toBe('/acme/-/settings/environment')
  await expectSound(visitor, 'a refused call')
  await page.setViewportSize({ width: 1280, height: 800 })

  await begin('&model=gpt-4o-mini')
  fake.script({ status: 401, body: { error: { message: 'Incorrect API key provided', code: 'invalid_api_key' } } })
  await ask('Hello')
  await page.getByRole('alert').getByText('Incorrect API key provided').waitFor()
  await page.getByRole('alert').getByRole('link', { name: 'Set the key in the environment of acme' }).waitFor()
  await answerOf('gpt-4o-mini').getByText('Recorded as').waitFor()
  await page.getByRole('button', { name: 'Ask this again' }).click()
  await page.getByText('You said: Hello').waitFor()
  expect(await page.getByRole('dialog').count()).toBe(0)
})

test('settings that cannot be sent are said where they stand', async () => {
  const { page } = visitor
  await begin('&model=gpt-4o-mini')
  await message().fill('Hello')
  await page.getByLabel('Top p').fill('7')
  await page.getByText('A number, 0 to 1').waitFor()
  await page.getByText('Correct the settings first').waitFor()
  expect(await page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true)
  await page.getByLabel('Top p').fill('')
  await page.getByLabel('Answer', { exact: true }).selectOption('json_schema')
  await page.getByLabel('JSON Schema of the answer').click()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText('{"type": "object", "properties": {"metres": {"type": "metre"}}}')
  await page.getByRole('alert').getByText('There is no type "metre"', { exact: false }).waitFor()
  await expect.poll(() => page.locator('.cm-lintRange-error').first().textContent()).toContain('metre')
  await page.getByLabel('Name of the schema').click()
  await page.getByLabel('JSON Schema of the answer').click()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText('{"type": "object", "properties": {"metres": {"type": "integer"}}}')
  await page.getByRole('button', { name: 'Send' }).click()
  await expect
    .poll(() => fake.asked.at(-1)?.body.response_format?.json_schema?.schema?.properties)
    .toEqual({ metres: { type: 'integer' } })
  await page.getByLabel('Answer', { exact: true }).selectOption('text')
})

test('the code of a call has a variable where the key belongs, and nothing that a model says is executed', async () => {
  const { page, faults } = visitor
  await begin('&model=gpt-4o-mini')
  fake.say('<img src=x onerror="document.title=1"><script>document.title=2</script> [x](javascript:alert(1)) **done**')
  await ask('Say something nasty')
  await page.locator('strong', { hasText: 'done' }).waitFor()
  expect(await page.title()).toBe('Playground · acme · Jetty')
  expect(await page.getByRole('article').locator('img, script, a[href^=javascript]').count()).toBe(0)
  await page.getByRole('button', { name: 'Code' }).click()
  for (const language of ['curl', 'Python', 'TypeScript']) {
    await page.getByRole('tab', { name: language }).click()
    const code = (await page.getByRole('tabpanel', { name: language }).textContent()) ?? ''
    expect([code.includes('JETTY_API_TOKEN'), code.includes('mlc_')]).toEqual([true, false])
  }
  await expectSound(visitor, 'code')
  expect(withoutAnswers(faults)).toEqual([])
})
