import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Body } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { isHosted, typeHosted } from './typing.ts'

const chosen = process.env.TEST_BIN
const bin = chosen ?? (await builtProgram())

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
  /** stdout, which must be JSON and nothing else. */
  json(): Body
}

export interface Shell {
  /** The home of whoever types, which is the current folder as well. */
  home: string
  /**
   * Runs `jetty` with these arguments, without a terminal; Ctrl-C is pressed once stderr has `interruptAt`, something is
   * done once it has the text of `when`, and nobody reads what it prints where `isUnread`, as behind `| head`. `under` is
   * a program that starts it. With `typed` there is a terminal, all output is stdout, and each text is typed once the one
   * before it was shown.
   */
  jetty(
    args: string[],
    options?: {
      stdin?: string | Buffer
      env?: Record<string, string>
      interruptAt?: string
      when?: readonly [said: string, act: () => unknown]
      isUnread?: boolean
      under?: readonly string[]
      typed?: readonly (readonly [shown: string, text: string])[]
    },
  ): Promise<Ended>
  /** Writes a file into the home and gives its path. */
  file(name: string, content: string | Uint8Array): string
  /** Everything that was shown up to now. */
  seen(): string
  close(): void
}

/** A terminal of 80 columns for the command that follows. */
const inTerminal = ['sh', '-c', 'exec script -qec "stty cols 80; exec $0 $*" /dev/null']

/**
 * A newcomer at a shell: a home of their own, a server to talk to, and a token in the usual place. With `isStarted`, each
 * command is a process of its own, as it is where Jetty is installed.
 */
export const openShell = (url: string, token: string, isStarted = chosen !== undefined): Shell => {
  const home = mkdtempSync(join(tmpdir(), 'jetty-home-'))
  mkdirSync(join(home, '.config/jetty'), { recursive: true })
  writeFileSync(join(home, '.config/jetty/token'), `${token}\n`, { mode: 0o600 })
  let seen = ''
  const envOf = (env: Record<string, string> = {}) => ({
    ...{ PATH: process.env.PATH ?? '', HOME: home, JETTY_API_URL: url, NO_COLOR: '1', ...env },
  })
  const started: Shell['jetty'] = (args, { stdin = '', env, interruptAt, when, isUnread, under = [], typed } = {}) =>
    new Promise((resolve, reject) => {
      const command = [process.execPath, bin, ...args]
      const [program = '', ...words] = typed ? [...inTerminal, ...command] : [...under, ...command]
      const left = [...(typed ?? [])]
      let answered = 0
      const child = spawn(program, words, {
        cwd: home,
        env: envOf(env),
        timeout: 50_000,
      })
      let [due, act] = when ?? [interruptAt, () => child.kill('SIGINT')]
      if (isUnread) child.stdout.destroy()
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (chunk) => {
        stdout += chunk
        const at = left[0] === undefined ? -1 : stdout.indexOf(left[0][0], answered)
        if (at < 0) return
        answered = stdout.length
        child.stdin.write(left.shift()?.[1] ?? '')
      })
      child.stderr.setEncoding('utf8').on('data', (chunk) => {
        stderr += chunk
        if (due === undefined || !stderr.includes(due)) return
        due = undefined
        act()
      })
      child.on('error', reject)
      child.on('close', (code) => {
        resolve({ code, stdout, stderr, json: () => JSON.parse(stdout) })
      })
      child.stdin.on('error', () => {}) // a command that reads nothing may have ended before
      if (!typed) child.stdin.end(stdin)
    })
  const jetty: Shell['jetty'] = async (args, options = {}) => {
    const { env, stdin, ...special } = options
    const isText = typeof stdin === 'string'
    const line = { args, env: envOf(env), cwd: home, ...(isText && { stdin }) }
    const isPlain = !isStarted && Object.keys(special).length === 0 && (isText || !stdin) && isHosted(line)
    const printed = isPlain ? await typeHosted(line) : undefined
    const ended = printed ? { ...printed, json: () => JSON.parse(printed.stdout) } : await started(args, options)
    seen += ended.stdout + ended.stderr
    return ended
  }
  return {
    home,
    jetty,
    file(name, content) {
      const path = join(home, name)
      writeFileSync(path, content)
      return path
    },
    seen: () => seen,
    close: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }),
  }
}
