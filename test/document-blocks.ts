import { spawn } from 'node:child_process'

/** A block of shell commands in a page. */
export interface ShellBlock {
  /** The heading that it stands below. */
  heading: string
  line: number
  text: string
}

/** What became of a block: what it printed, stdout and stderr as they came. */
export interface BlockOutcome {
  block: ShellBlock
  printed: string
  /** Undefined for a block that was not reached. */
  code: number | undefined
}

/** The blocks of a page that are marked `sh` or `bash`, in order. */
export const shellBlocksOf = (page: string): ShellBlock[] => {
  const blocks: ShellBlock[] = []
  let heading = ''
  let open: { fence: string; isShell: boolean; line: number; lines: string[] } | undefined
  for (const [at, line] of page.split('\n').entries()) {
    if (open) {
      if (line.trim() !== open.fence) open.lines.push(line)
      else {
        if (open.isShell) blocks.push({ heading, line: open.line, text: `${open.lines.join('\n')}\n` })
        open = undefined
      }
      continue
    }
    const fence = /^ *(```+|~~~+)(\w*)/.exec(line)
    if (fence) open = { fence: fence[1] ?? '', isShell: /^(sh|bash)$/.test(fence[2] ?? ''), line: at + 1, lines: [] }
    else heading = /^#+ (.+)$/.exec(line)?.[1] ?? heading
  }
  return blocks
}

/** Before what a block printed, and after it with its exit code. */
const mark = (text: string) => `printf '\\n\\001%s\\n' "${text}"`

const scriptOf = (blocks: readonly ShellBlock[]): string =>
  blocks.map(({ text }, at) => `${mark(`begin ${at}`)}\nset -e\n${text}\nset +e\n${mark(`end ${at} 0`)}`).join('\n')

export interface BlockShell {
  /** The current folder, which is also where the blocks write. */
  folder: string
  env: Record<string, string>
  /** Ends a shell that takes longer. */
  timeoutMs?: number
}

/** Runs blocks one after the other in one bash, which ends at the first command that fails, as a reader would. */
export const runBlocks = async (
  blocks: readonly ShellBlock[],
  { folder, env, timeoutMs = 300_000 }: BlockShell,
): Promise<BlockOutcome[]> => {
  const child = spawn('bash', ['-o', 'pipefail', '-c', `exec 2>&1\n${scriptOf(blocks)}`], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const code = await new Promise<number>((resolve) => child.once('close', (ended) => resolve(ended ?? 137)))
  return blocks.map((block, at) => {
    const begin = printed.indexOf(`\u0001begin ${at}\n`)
    if (begin < 0) return { block, printed: '', code: undefined }
    const end = printed.indexOf(`\u0001end ${at} 0\n`)
    const text = printed.slice(printed.indexOf('\n', begin) + 1, end < 0 ? undefined : end)
    return { block, printed: text.trim(), code: end < 0 ? code : 0 }
  })
}

/** What a failed block did, for the message of an assertion. */
export const failuresOf = (outcomes: readonly BlockOutcome[]): string[] =>
  outcomes
    .filter(({ code }) => code !== 0)
    .map(
      ({ block, printed, code }) => `line ${block.line} ended with ${code}:\n${block.text}\n${printed.slice(-2_000)}`,
    )
