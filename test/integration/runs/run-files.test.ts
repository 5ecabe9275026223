import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const save = (text: string, filename: string) => ({ activity: 'save_text_file', text, filename })

test('the files of a run are listed by path, in parts, without those of other runs', async () => {
  const workflow = { step_configs: { a: save('one', 'a.txt'), b: save('two', 'b.csv') }, steps: ['a', 'b'] }
  const run = await jetty.run(workflow, {}, { 'sent.md': '# Sent' })
  await jetty.run(workflow)
  const path = `/api/v1/trajectory/acme/${run.task}/${run.trajectory_id}/files`
  const { body, status } = await jetty.call('GET', path)
  expect(status).toBe(200)
  expect(body.next_cursor).toBeNull()
  expect(body.files.map(({ name, size }: { name: string; size: number }) => [name, size])).toEqual([
    ['sent.md', 6],
    ['a.txt', 3],
    ['b.csv', 3],
  ])

  const paths: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const part: { files: { path: string }[]; next_cursor: string | null } = (
      await jetty.call('GET', `${path}?limit=1&cursor=${encodeURIComponent(cursor)}`)
    ).body
    paths.push(...part.files.map((file) => file.path))
    cursor = part.next_cursor
  }
  expect(paths).toEqual(body.files.map((file: { path: string }) => file.path))
})

test('a run that does not exist has no files', async () => {
  const name = await jetty.task({ step_configs: { a: save('one', 'a.txt') }, steps: ['a'] })
  expect(await jetty.call('GET', `/api/v1/trajectory/acme/${name}/ffffffff/files`)).toMatchObject({ status: 404 })
})
