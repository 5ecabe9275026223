import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { callsTools } from '../../fakes/tool-turns.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../../jetty-process.ts'
import type { Body } from '../../server.ts'

/** Kills the process of a chat step with tools in each of its turns, while a tool is called. */
export const killInEachTurn = (kills: number): void => {
  const token = 'admin-token-of-the-tools-crash-test'
  const tool: { turn: string; key: string }[] = []
  let service: Server
  let openai: FakeOpenAi
  let database: TestDatabase
  let folder: string

  beforeAll(async () => {
    database = await createTestDatabase()
    folder = mkdtempSync(join(tmpdir(), 'jetty-tools-'))
    openai = await startFakeOpenAi()
    service = createServer((request, response) => {
      request.resume()
      const turn = new URL(request.url ?? '', 'http://tool').searchParams.get('turn') ?? ''
      tool.push({ turn, key: String(request.headers['idempotency-key']) })
      // The first call of a turn gets no answer: its process is killed meanwhile.
      const isFirst = tool.filter((one) => one.turn === turn).length === 1
      if (!isFirst) response.setHeader('content-type', 'application/json').end(JSON.stringify({ turn }))
    })
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    await killJetties()
    service?.closeAllConnections()
    service?.close()
    await openai?.close()
    await database?.drop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const host = () => `127.0.0.1:${(service.address() as AddressInfo).port}`

  const start = (): JettyProcess =>
    startJetty({
      DATABASE_URL: database.url,
      JETTY_DATA_DIR: folder,
      JETTY_ADMIN_TOKEN: token,
      JETTY_ALLOW_PRIVATE_NETWORK: `${host()},${new URL(openai.url).host}`,
      HOME: folder,
    })

  it(`${kills} times between a model call and a tool call: nothing is asked twice`, {
    timeout: 120_000 + kills * 60_000,
  }, async () => {
    let jetty = start()
    let { url } = (await jetty.ready) as Body
    const call = (method: string, path: string, body?: unknown) => callJetty(url, token, method, path, body)
    await call('POST', '/collections', { name: 'acme' })
    await call('PATCH', '/collections/acme/environment', {
      environment_variables: { OPENAI_API_KEY: 'sk-of-the-tools-crash-test', OPENAI_BASE_URL: openai.url },
    })
    const turnOf = (body: Body): number => body.messages.filter((one: Body) => one.role === 'assistant').length
    openai.choose((body) =>
      turnOf(body) < kills ? callsTools('gpt-4o-mini', ['visit', { query: { turn: turnOf(body) } }]) : undefined,
    )
    openai.say('All visited.')
    const config = { url: `http://${host()}/visit`, method: 'POST', idempotency_key: true }
    const ask = {
      activity: 'litellm_chat',
      ...{ model: 'gpt-4o-mini', prompt: 'Visit all.', max_turns: kills + 1 },
      tools: [{ name: 'visit', activity: 'http_request', config, parameters: ['query'] }],
    }
    await call('POST', '/tasks/acme', { name: 'visit', workflow: { step_configs: { ask }, steps: ['ask'] } })
    const { trajectory_id: id } = (await call('POST', '/run/acme/visit', {})).body

    for (let killed = 0; killed < kills; killed++) {
      while (!tool.some(({ turn }) => turn === String(killed))) await pause(20)
      jetty.child.kill('SIGKILL')
      await jetty.exited
      jetty = start()
      url = ((await jetty.ready) as Body).url
    }
    let run: Body
    do {
      await pause(50)
      run = (await call('GET', `/db/trajectory/acme/visit/${id}`)).body
    } while (run.ended === null)
    expect([run.status, run.error]).toEqual(['completed', null])
    const { outputs } = run.steps.ask
    expect([outputs.text, outputs.turns, outputs.tool_calls.length]).toEqual(['All visited.', kills + 1, kills])
    expect(openai.asked).toHaveLength(kills + 1)
    expect(new Set(openai.asked.map(({ text }) => text)).size).toBe(kills + 1)
    // A tool call that was cut off is made again with the same key, so that it acts once.
    expect(tool).toHaveLength(2 * kills)
    expect(new Set(tool.map(({ key }) => key)).size).toBe(kills)
    expect(run.steps.ask.attempt).toBeGreaterThan(1)
    expect(outputs.usage.total_tokens).toBe((kills + 1) * 1100)
    expect(run.steps.ask.usage.total_tokens).toBe((kills + 1) * 1100)
  })
}
