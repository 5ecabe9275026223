import { randomBytes } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import type { SandboxProvider } from './sandbox.ts'

const limits = {
  memoryBytes: 1024 ** 3,
  pids: 256,
  cpus: 1,
  diskBytes: 64 * 1024 ** 2,
  diskFiles: 1_000,
  outputBytes: 64 * 1024,
}
const longestMs = 60_000 // office programs are slow at their first start on a host
const noNode = 3
const begun = 'begun\n'

/** Programs that runbooks expect. */
const tools = ['python3', 'uv', 'node', 'git', 'pip', 'jq', 'soffice', 'bash']
/**
 * `pip --version` loads all of pip: 0.16 s of CPU, more than all other tools together. The Python that its first line names
 * reads the same version in a fifth of that.
 */
const pipVersion = [
  'IFS= read -r first < "$(command -v pip)"',
  `case $first in '#!'*python*) \${first#'#!'} -c 'import pip; print(pip.__version__)' ;; *) false ;; esac || pip --version`,
].join('; ')
const versionOf = (tool: string) => (tool === 'pip' ? `{ ${pipVersion}; }` : `${tool} --version`)
/** Prints one line, in one write: lines of several tools do not mix. The shell reads it, since a `head` is a process more. */
const said = (tool: string) =>
  `${versionOf(tool)} 2>/dev/null </dev/null | { IFS= read -r line; printf '%s\t%.200s\n' ${tool} "$line"; } &`
const script = (node: string) =>
  [`${node} --version >/dev/null || exit ${noNode}`, 'echo begun', ...tools.map(said), 'wait'].join('\n')

const versionsIn = (output: string): Record<string, string | undefined> =>
  Object.fromEntries(
    tools.map((tool) => {
      const line = output.split('\n').find((text) => text.startsWith(`${tool}\t`))
      return [tool, /\d+(\.\d+)+/.exec(line ?? '')?.[0]]
    }),
  )

/** Creates a sandbox as a runbook would get it, and reads the versions of the tools inside. */
export const probeTools = async (
  create: SandboxProvider['create'],
  { image, signal = new AbortController().signal }: { image?: string; signal?: AbortSignal | undefined } = {},
): Promise<Record<string, string | undefined>> => {
  const id = `probe-${process.pid}-${randomBytes(4).toString('hex')}`
  const sandbox = await create({ id, limits, ...(image !== undefined && { image }) })
  try {
    let output = ''
    const { reason, code } = await sandbox.run({
      argv: ['/bin/sh', '-c', script(`${sandbox.places.tools}/node`)],
      env: {},
      cwd: sandbox.places.app,
      network: 'none',
      wallMs: longestMs,
      signal,
      onOutput: (_stream, chunk) => {
        output += chunk
      },
    })
    if (code === noNode) throw new AppError('sandbox_unavailable', `${process.execPath} does not run in a sandbox`)
    // A program that hangs counts as missing; the sandbox works all the same.
    if ((reason === 'exit' && code === 0) || (reason === 'timed_out' && output.includes(begun)))
      return versionsIn(output)
    throw new AppError('sandbox_unavailable', `A test sandbox ended with ${reason} ${code}: ${output.slice(0, 500)}`)
  } finally {
    await sandbox.destroy()
  }
}
