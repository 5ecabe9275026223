import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../api-server.ts'

let server: ApiServer
beforeAll(async () => {
  server = await startApiServer()
  await server.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
})
afterAll(() => server?.close())

const echo = { init_params: { text: 'hi' }, step_configs: { echo: { activity: 'text_echo' } }, steps: ['echo'] }

test('a task is created, read, listed, changed and deleted', async () => {
  const key = await server.makeKey(['acme'])
  const made = await server.call('POST', '/api/v1/tasks/acme', {
    token: key,
    body: { name: 'echo', description: '', workflow: echo },
  })
  expect(made.body).toMatchObject({ name: 'echo', collection_name: 'acme', description: '', entity_type: 'task' })
  expect(made.status).toBe(201)
})
