import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { probeTools } from './probe-tools.ts'
import type { Sandbox, SandboxCommand, SandboxExit } from './sandbox.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'probe-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const program = (name: string, script: string) => {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, name), 0o755)
}

/** Carries commands out in the folder, whose programs go before all others; its time is over once `isOver` says so. */
const sandboxWhere = (isOver: (output: string) => boolean) => async (): Promise<Sandbox> =>
  ({
    places: { tools: folder, app: folder },
    run: ({ argv: [file = '', ...args], onOutput, signal }: SandboxCommand) =>
      new Promise<Partial<SandboxExit>>((resolve) => {
        const env = { PATH: `${folder}:${process.env.PATH}` }
        const child = spawn(file, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
        let output = ''
        let isLate = false
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk
          void onOutput('stdout', chunk)
          if (!isOver(output) || isLate) return
          isLate = true
          process.kill(-(child.pid ?? 0), 'SIGKILL')
        })
        signal.addEventListener('abort', () => process.kill(-(child.pid ?? 0), 'SIGKILL'))
        child.on('close', (code) =>
          resolve({ reason: signal.aborted ? 'cancelled' : isLate ? 'timed_out' : 'exit', code }),
        )
      }),
    destroy: async () => {},
  }) as unknown as Sandbox

it('finds versions, and a sandbox that works though one program never answers', async () => {
  program('node', 'echo v20.1.2')
  program('jq', 'echo jq-1.7.1')
  program('soffice', 'exec sleep 1000')
  const isOver = (output: string) => output.includes('jq-1.7.1') && output.includes('v20.1.2')
  expect(await probeTools(sandboxWhere(isOver))).toMatchObject({ node: '20.1.2', jq: '1.7.1', soffice: undefined })
})

it('reads the version of pip from its Python, and asks pip itself where that is no program in Python', async () => {
  program('node', 'echo v20.1.2')
  program('soffice', 'exit 1')
  program('python-of-pip', `[ "$1 $2" = "-c import pip; print(pip.__version__)" ] && echo 23.0.1`)
  writeFileSync(join(folder, 'pip'), `#!${folder}/python-of-pip\nimport everything\n`, { mode: 0o755 })
  expect((await probeTools(sandboxWhere(() => false))).pip).toBe('23.0.1')
  program('python-of-pip', 'exit 1')
  program('pip', `echo "pip 24.1.2 from somewhere (python 3.13)"`)
  expect((await probeTools(sandboxWhere(() => false))).pip).toBe('24.1.2')
})

it('does not work where node does not', async () => {
  program('node', 'exit 1')
  await expect(probeTools(sandboxWhere(() => false))).rejects.toMatchObject({ code: 'sandbox_unavailable' })
})

it('is given up with its signal, though a program hangs', async () => {
  program('node', 'echo v20.1.2')
  program('soffice', 'exec sleep 1000')
  const stop = new AbortController()
  const isBegun = (output: string) => {
    if (output.includes('begun')) stop.abort()
    return false
  }
  await expect(probeTools(sandboxWhere(isBegun), { signal: stop.signal })).rejects.toThrow('cancelled')
})
