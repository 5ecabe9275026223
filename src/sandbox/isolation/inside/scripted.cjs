// Runs inside a sandbox: node scripted.cjs RUNBOOK. Without agent and model: makes one call to the gateway, then runs
// the `sh` and `bash` blocks of the runbook in order, each with the shell it names. Reports JSON lines on standard
// output; the output of the blocks goes to standard error as it comes. Plain JavaScript without dependencies.
const { spawn, spawnSync } = require('node:child_process')
const { readFileSync } = require('node:fs')
const { connect } = require('node:net')
const { constants } = require('node:os')
const { dirname } = require('node:path')
const { shellBlocksOf } = require('./shell-blocks.cjs')

/** Characters of a block's output kept in its result: from its beginning and its end. */
const kept = { head: 48_000, tail: 12_000 }

/** How long a finished block that left something running may stay silent before it counts as over. */
const drainMs = 500

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

const end = (ok, reason, code) => {
  tell({ type: 'end', ok, reason })
  process.exitCode = code
}

/**
 * Makes one model call, to exercise the way to a model that every agent uses. HTTP/1.0 ends an answer with its connection:
 * to load Node's own client takes a fifth of the CPU of this program.
 */
const askModel = () =>
  new Promise((resolve, reject) => {
    const url = new URL(`${process.env.JETTY_MODEL_URL}/chat/completions`)
    const body = JSON.stringify({
      model: 'scripted/echo',
      messages: [{ role: 'user', content: 'The scripted agent begins.' }],
    })
    const head = [
      `POST ${url.pathname} HTTP/1.0`,
      `host: ${url.host}`,
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      `authorization: Bearer ${process.env.JETTY_MODEL_TOKEN}`,
    ]
    const call = connect(Number(url.port || 80), url.hostname)
    let answer = ''
    call.setEncoding('utf8')
    call.on('data', (chunk) => {
      answer += chunk
    })
    call.on('error', reject)
    call.on('end', () => {
      const [, status = 'none'] = /^HTTP\/\d\.\d (\d+)/.exec(answer) ?? []
      const text = answer.slice(answer.indexOf('\r\n\r\n') + 4)
      if (status === '200') resolve()
      else reject(new Error(`the model was answered for with status ${status}: ${text.slice(0, 500)}`))
    })
    call.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  })

/** Runs one block; returns its exit code as shells report it, and its output. */
const runBlock = ({ shell, command }, cwd) =>
  new Promise((resolve, reject) => {
    const child = spawn(shell, ['-c', command], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let head = ''
    let tail = ''
    let length = 0
    let draining
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        draining?.refresh()
        length += text.length
        const room = Math.max(0, kept.head - head.length)
        head += text.slice(0, room)
        tail = (tail + text.slice(room)).slice(-kept.tail)
      })
      stream.pipe(process.stderr, { end: false }) // backpressure for a block that prints faster than it is read
    }
    child.on('error', reject)
    const ended = (code, signal) => {
      const left = length - head.length - tail.length
      resolve({
        code: code ?? 128 + (constants.signals[signal] ?? 0),
        output: head + (left > 0 ? `\n… ${left} characters …\n` : '') + tail,
      })
    }
    child.on('close', (code, signal) => {
      clearTimeout(draining)
      ended(code, signal)
    })
    child.on('exit', (code, signal) => {
      // Background processes of the block may hold its outputs open forever.
      draining = setTimeout(() => {
        ended(code, signal)
        for (const stream of [child.stdout, child.stderr]) stream.destroy()
      }, drainMs)
    })
  })

/**
 * Says why the blocks cannot run, if so. A `bash` block is never handed to `sh` instead: most of it would run, and bash
 * syntax would fail or mean something else. So nothing runs where bash is missing.
 */
const obstacleIn = (blocks) => {
  if (blocks.length === 0)
    return 'the runbook has no fenced `sh` or `bash` block, and the scripted agent runs nothing else'
  const first = blocks.findIndex(({ shell }) => shell === 'bash')
  if (first < 0 || spawnSync('bash', ['-c', ':']).status === 0) return undefined
  return `block ${first + 1} of ${blocks.length} is for bash, and there is no bash here: install it (apt install bash), take an image that has it, or write the block as \`sh\``
}

const main = async () => {
  const file = process.argv[2] ?? '/app/RUNBOOK.md'
  tell({
    type: 'message',
    text: 'This is the scripted agent: no agent and no model. It runs the `sh` and `bash` blocks of the runbook in order. What the runbook says in words is left undone.',
  })
  const blocks = shellBlocksOf(readFileSync(file, 'utf8'))
  await askModel()
  const obstacle = obstacleIn(blocks)
  if (obstacle) return end(false, obstacle, 1)
  for (const [index, block] of blocks.entries()) {
    const id = `block-${index + 1}`
    tell({ type: 'tool_call', id, name: block.shell, input: { command: block.command } })
    const { code, output } = await runBlock(block, dirname(file))
    tell({ type: 'tool_result', id, output, is_error: code !== 0 })
    if (code !== 0) return end(false, `block ${index + 1} of ${blocks.length} ended with exit code ${code}`, code)
  }
  tell({ type: 'message', text: blocks.length === 1 ? 'The block has run.' : `All ${blocks.length} blocks have run.` })
  end(true, 'all blocks have run', 0)
}

main().catch((error) => end(false, error instanceof Error ? error.message : String(error), 1))
