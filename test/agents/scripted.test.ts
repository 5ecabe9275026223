// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shells write so
// The scripted agent as its sandbox starts it: a program, a runbook, and somebody in the place of the gateway.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Body } from '../server.ts'

const program = fileURLToPath(new URL('../../src/sandbox/isolation/inside/scripted.cjs', import.meta.url))
const { shellBlocksOf } = createRequire(import.meta.url)('../../src/sandbox/isolation/inside/shell-blocks.cjs')
const commandsOf = (runbook: string): string[] => shellBlocksOf(runbook).map(({ command }: Body) => command)

let server: Server
let asked: { authorization: string | undefined; body: Body }[]
let status: number
let app: string
beforeAll(async () => {
  server = createServer(async (incoming, outgoing) => {
    let body = ''
    for await (const part of incoming) body += part
    asked.push({ authorization: incoming.headers.authorization, body: JSON.parse(body) })
    outgoing.writeHead(status).end('{"choices":[]}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => server?.close())
beforeEach(() => {
  asked = []
  status = 200
  app = mkdtempSync(join(tmpdir(), 'jetty-scripted-'))
})
afterEach(() => rmSync(app, { recursive: true, force: true }))

const carryOut = (runbook: string, path = process.env.PATH): Promise<{ code: number; lines: Body[]; stderr: string }> =>
  new Promise((resolve) => {
    const file = join(app, 'RUNBOOK.md')
    writeFileSync(file, runbook)
    const { port } = server.address() as AddressInfo
    const env = {
      PATH: path,
      JETTY_MODEL_URL: `http://127.0.0.1:${port}/v1`,
      JETTY_MODEL_TOKEN: 'a-token',
    }
    const child = execFile(process.execPath, [program, file], { env }, (_, stdout, stderr) => {
      const lines = stdout.trim().split('\n')
      resolve({ code: child.exitCode ?? -1, lines: lines.map((line) => JSON.parse(line)), stderr })
    })
  })

it('asks a model once, then runs each block by itself in the folder of the runbook', async () => {
  const { code, lines, stderr } = await carryOut('```sh\nx=1\ncd /\necho one\n```\n\n```sh\necho "x=$x"; pwd\n```\n')
  expect(asked).toEqual([
    { authorization: 'Bearer a-token', body: expect.objectContaining({ model: 'scripted/echo' }) },
  ])
  expect(lines[0].text).toContain('no agent and no model')
  expect(lines.filter(({ type }) => type === 'tool_result').map(({ output }) => output)).toEqual([
    'one\n',
    `x=\n${app}\n`,
  ])
  expect(lines.at(-2)).toEqual({ type: 'message', text: 'All 2 blocks have run.' })
  expect(lines.at(-1)).toEqual({ type: 'end', ok: true, reason: 'all blocks have run' })
  expect(stderr).toBe(`one\nx=\n${app}\n`)
  expect(code).toBe(0)
})

it('runs each block with the shell that it names', async () => {
  const bash = '```bash\nwords=(one two)\n[[ ${#words[@]} -eq 2 ]] && echo "bash ${words[1]}"\n```\n'
  const { code, lines } = await carryOut(`${bash}\n\`\`\`sh\necho "sh$BASH_VERSION"\n\`\`\`\n`)
  expect(code).toBe(0)
  expect(lines.filter(({ type }) => type === 'tool_call').map(({ name }) => name)).toEqual(['bash', 'sh'])
  expect(lines.filter(({ type }) => type === 'tool_result').map(({ output }) => output)).toEqual(['bash two\n', 'sh\n'])
})

it('runs nothing where a block is for bash and there is none, and says which and what to do', async () => {
  const folder = join(app, 'bin')
  mkdirSync(folder)
  symlinkSync('/bin/sh', join(folder, 'sh'))
  const { code, lines } = await carryOut('```sh\n: > ran\n```\n\n```bash\n: > ran\n```\n', folder)
  expect(code).toBe(1)
  expect(lines.at(-1).reason).toMatch(/^block 2 of 2 is for bash, and there is no bash here: .*apt install bash/)
  expect(existsSync(join(app, 'ran'))).toBe(false)
})

it('says of a single block that it has run', async () => {
  const { lines } = await carryOut('```sh\ntrue\n```\n')
  expect(lines.at(-2)).toEqual({ type: 'message', text: 'The block has run.' })
})

it.each([
  ['exit 7', 7],
  ['kill -TERM $$', 143],
  ['/no/such/program', 127],
])('ends with the code of the block that failed: %s', async (command, expected) => {
  const { code, lines } = await carryOut(`\`\`\`sh\n${command}\n\`\`\`\n\n\`\`\`sh\ntouch after\n\`\`\`\n`)
  expect(code).toBe(expected)
  expect(lines.at(-1)).toMatchObject({
    type: 'end',
    ok: false,
    reason: `block 1 of 2 ended with exit code ${expected}`,
  })
  expect(existsSync(join(app, 'after'))).toBe(false)
})

it('runs nothing where the model does not answer, or where there is nothing to run', async () => {
  status = 503
  expect(await carryOut('```sh\ntouch ran\n```\n')).toMatchObject({ code: 1 })
  expect(existsSync(join(app, 'ran'))).toBe(false)
  status = 200
  const { code, lines } = await carryOut('# Nothing\n\n```python\nprint(1)\n```\n')
  expect([code, lines.at(-1).reason]).toEqual([1, expect.stringContaining('no fenced `sh` or `bash` block')])
})

it('holds a block back that prints faster than it is read, and keeps the beginning and the end of it', async () => {
  const { lines } = await carryOut('```sh\nseq 1 60000\n```\n')
  const { output } = lines.find(({ type }) => type === 'tool_result')
  expect(output.length).toBeLessThan(61_000)
  expect(output).toMatch(/^1\n2\n[\s\S]*… \d+ characters …[\s\S]*\n60000\n$/)
})

it.each<[string, string, string[]]>([
  ['tildes', '~~~sh\na\n~~~\n', ['a']],
  ['words after the language', '```sh title="x" {1,2}\na\n```\n', ['a']],
  ['tildes with ticks behind them', '~~~ sh `x`\na\n~~~\n', ['a']],
  ['a space before the language, in capitals', '```  SH\na\n```\n', ['a']],
  ['line ends of Windows', '# T\r\n\r\n```sh\r\na\r\nb\r\n```\r\n', ['a\nb']],
  ['a longer fence at the end', '```sh\na\n`````\n', ['a']],
  ['a shorter fence within', '````sh\na\n```\nb\n````\n', ['a\n```\nb']],
  ['the other fence within', '```sh\na\n~~~\nb\n```\n', ['a\n~~~\nb']],
  ['no end', '```sh\na', ['a']],
  ['empty lines', '```sh\na\n\n  b\n```\n', ['a\n\n  b']],
  ['in a list', '1. Do\n\n   ```sh\n   a\n     b\n   ```\n', ['a\n  b']],
  ['in a list in a list, far in', '- x\n    - y\n\n        ```sh\n        a\n        ```\n', ['a']],
  ['as the item of a list', '- ```sh\n  a\n  ```\n', ['a']],
  ['in a list, less far in than its fence', '1. Do\n   ```sh\n a\n   ```\n', ['a']],
  ['in a quote', '> Do\n>\n> ```sh\n> a\n>   b\n> ```\n', ['a\n  b']],
  ['in a quote that ends first', '> ```sh\n> a\n\n```sh\nb\n```\n', ['a', 'b']],
  [
    'what a script prints',
    '```sh\ncat <<E\n> x\n- y\n<!--\nE\n```\n\n```sh\nb\n```\n',
    ['cat <<E\n> x\n- y\n<!--\nE', 'b'],
  ],
  ['tabs', '- x\n\n\t```sh\n\ta\n\t```\n', ['a']],
  [
    'a mark of the order of bytes, and front matter',
    '\uFEFF---\nverify: |\n  ```sh\n  no\n  ```\n---\n```sh\na\n```\n',
    ['a'],
  ],
  ['a title above the front matter', '# T\n\n---\nx: "\n```sh\nno\n```\n"\n---\n```sh\na\n```\n', ['a']],
  ['front matter with nothing in it', '---\n---\n```sh\na\n```\n\n---\n\n```sh\nb\n```\n', ['a', 'b']],
  ['front matter that never ends', '---\nx: 1\n```sh\na\n```\n', ['a']],
])('runs blocks with %s', (_, runbook, expected) => {
  expect(commandsOf(runbook)).toEqual(expected)
})

it.each([
  ['another language', '```zsh\nno\n```\n```shell\nno\n```\n```\nno\n```\n```sh-session\nno\n```\n'],
  ['a block of another language', '````md\n```sh\nno\n```\n````\n'],
  ['a comment', '<!--\n```sh\nno\n```\n-->\n'],
  ['code by its indentation', 'Write this:\n\n    ```sh\n    no\n    ```\n'],
  ['code by its indentation after a list', '- x\n\nWrite this:\n\n    ```sh\n    no\n    ```\n'],
  ['code within a line', '```sh no``` is how it begins\n'],
])('runs nothing that stands in %s', (_, runbook) => {
  expect(commandsOf(`${runbook}\n\`\`\`sh\nyes\n\`\`\`\n`)).toEqual(['yes'])
})

it('goes on after a comment that ends in its line', () => {
  expect(commandsOf('<!-- x -->\n```sh\na\n```\n')).toEqual(['a'])
})

it('does not wait for what a block has left running', async () => {
  const { code, lines } = await carryOut('```sh\nsleep 300 & echo $!\n```\n')
  const { output } = lines.find(({ type }) => type === 'tool_result')
  process.kill(Number(output))
  expect(code).toBe(0)
  expect(readFileSync(join(app, 'RUNBOOK.md'), 'utf8')).toContain('sleep 300')
})
