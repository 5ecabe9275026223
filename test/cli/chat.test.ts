import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let fake: FakeOpenAi
let test: TestServer
let shell: Shell

beforeAll(async () => {
  fake = await startFakeOpenAi()
  test = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  const made = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, made.body.api_key)
})
afterAll(async () => {
  shell?.close()
  await test?.close()
  await fake?.close()
})

const chat = (...args: string[]) => shell.jetty(['chat', ...args])
const place = /^acme\/_chat\/[0-9a-f]{8}$/

const modelsFound = async () => /models +(.+)/.exec((await shell.jetty(['doctor'])).stdout)?.[1]

describe('jetty chat', () => {
  it('prints what a model says, and where that is on record', async () => {
    const { code, stdout, stderr } = await chat('-m', 'scripted/echo', 'Is', 'anybody', 'there?')
    expect([code, stdout]).toEqual([0, 'Is anybody there?\n'])
    expect(stderr.trimEnd()).toMatch(place)
    const record = await shell.jetty(['runs', 'get', stderr.trimEnd(), '--json'])
    expect(record.json()).toMatchObject({ status: 'completed', init_params: { model: 'scripted/echo' } })
    // Its page is no promise: a server that has none says what to do instead.
    const opened = await shell.jetty(['runs', 'open', stderr.trimEnd()])
    expect([opened.code, opened.stdout]).toEqual([2, ''])
    expect(opened.stderr).toMatch(/The server has no page at http.*\n.*jetty runs get acme\/_chat/)
  })

  it('says that a key is missing, and which', async () => {
    const { code, stdout, stderr } = await chat('-m', 'gpt-4o-mini', 'Hello')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('jetty env set acme OPENAI_API_KEY')
    expect(await modelsFound()).toMatch(/^only scripted models; /)
  })

  it('takes the question from stdin, and carries out nothing that a model writes', async () => {
    await shell.jetty(['env', 'set', 'acme', 'OPENAI_API_KEY'], { stdin: 'sk-unmistakable-cli-chat-40d1' })
    fake.script({ headers: eventStreamType, body: eventStream('gpt-4o-mini', 'One \u001b[2J word\nafter the other') })
    const args = ['chat', '-m', 'gpt-4o-mini', '-s', 'Be brief', '-c', 'acme']
    const { code, stdout } = await shell.jetty(args, { stdin: 'What is a jetty?\n' })
    expect([code, stdout]).toEqual([0, 'One �[2J word\nafter the other\n'])
    expect(fake.asked.at(-1)?.body).toEqual({
      model: 'gpt-4o-mini',
      stream: true,
      stream_options: { include_usage: true }, // from the gateway
      messages: [
        { role: 'system', content: 'Be brief' },
        { role: 'user', content: 'What is a jetty?' },
      ],
    })
    expect(await modelsFound()).toMatch(/^\d+ available, from openai$/)
  })

  it('prints the whole completion with --json', async () => {
    const answer = await chat('-m', 'gpt-4o-mini', 'Hello', '--json')
    expect(answer.json()).toMatchObject({
      choices: [{ message: { content: 'You said: Hello' } }],
      usage: { total_tokens: 1100 },
    })
  })

  it('says that an answer broke off, and where what had come is on record', async () => {
    const body = eventStream('gpt-4o-mini', 'One word after the other')
    fake.script({ headers: eventStreamType, body, cutAfterBytes: body.indexOf('after') })
    const { code, stdout, stderr } = await chat('-m', 'gpt-4o-mini', 'Hello')
    expect([code, stdout]).toEqual([3, 'One word \n'])
    expect(stderr).toMatch(
      /^jetty: The answer stopped early: .+\n {2}The part that arrived is recorded: acme\/_chat\/[0-9a-f]{8}\n$/,
    )
  })

  it('asks for what is missing: a question, a model, a collection', async () => {
    expect(await chat('-m', 'scripted/echo')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('question is empty'),
    })
    expect(await chat('Hello')).toMatchObject({ code: 2, stderr: expect.stringContaining('--model') })
    const admin = shell.file('admin-token', test.server.adminToken)
    const { code, stderr } = await chat('--token-file', admin, '-m', 'scripted/echo', 'Hello')
    expect([code, stderr]).toEqual([2, expect.stringContaining('with -c')])
  })
})
