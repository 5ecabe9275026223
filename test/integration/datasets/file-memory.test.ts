// Items of a file take many times the memory of their text. What they take is reserved, as for the body of a request.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_IN_FLIGHT_BYTES: '64MiB' } })
  await jetty.call('POST', '/api/v1/datasets/acme', { name: 'wide' })
})
afterAll(() => jetty?.close())

/** Six bytes of text for each hundred that it takes. */
const wide = JSON.stringify({ id: 'a', lists: Array.from({ length: 1_000 }, () => []) })
const few = Array.from({ length: 10 }, (_, at) => wide.replace('"a"', `"${at}"`))
const many = Array.from({ length: 3_000 }, (_, at) => wide.replace('"a"', `"${at}"`))

const csvOf = (items: string[]) =>
  `id,lists:json\n${items.map((item) => `${JSON.parse(item).id},"${JSON.stringify(JSON.parse(item).lists)}"`).join('\n')}\n`

const formOf = (content: string, name: string) => {
  const form = new FormData()
  form.append('file', new File([content], name))
  return form
}

const tooLarge = { status: 413, body: { detail: expect.stringMatching(/memory/) } }

test.each([
  ['JSON', 'items.json', (items: string[]) => `[${items.join(',')}]`],
  ['JSON lines', 'items.jsonl', (items: string[]) => items.join('\n')],
  ['CSV', 'items.csv', csvOf],
])('an import of %s', async (_, name, textOf) => {
  const send = (items: string[]) =>
    jetty.call('POST', '/api/v1/datasets/acme/wide/items/import', formOf(textOf(items), name))
  expect(await send(few)).toMatchObject({ status: 200 })
  expect(await send(many)).toMatchObject(tooLarge)
})

test('a batch from a file', async () => {
  const task = await jetty.task({
    init_params: {},
    step_configs: { echo: { activity: 'text_echo', text: 'hello' } },
    steps: ['echo'],
  })
  const start = async (items: string[]) => {
    const form = new FormData()
    form.append('file', new File([items.join('\n')], 'items.jsonl'))
    form.append('collection', 'acme')
    const { body } = await jetty.call('POST', '/api/v1/files/upload', form)
    return jetty.call('POST', `/api/v1/run-batch/acme/${task}`, { file_path: body.path })
  }
  expect((await start(few)).status).toBeLessThan(300)
  expect(await start(many)).toMatchObject(tooLarge)
})
