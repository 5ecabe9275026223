// `jetty` for the shell of a guide: most of the CPU of a command is its start, so the host of the typed commands runs it.
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isHosted, type Line, typeHosted } from '../cli/typing.ts'

/** The exit code of a program that was killed. */
const killed = 137

/**
 * Says who it is, and prints what the worker has written down. A command that reads from a pipe, and one that the host
 * does not run, is a process as it is where Jetty is installed. Bash is at its first line after 2 ms.
 */
const scriptOf = (program: string, port: number) => `#!/bin/bash
if [ /dev/fd/0 -ef /dev/null ] && exec 3<>/dev/tcp/127.0.0.1/${port}; then
  echo $$ >&3
  read -r code folder <&3 && [ "$code" != start ] && {
    [ ! -s "$folder/out" ] || cat "$folder/out"
    [ ! -s "$folder/err" ] || cat "$folder/err" >&2
    exit "$code"
  }
  exec 3>&-
fi
exec "${process.execPath}" "${program}" "$@"
`

/** What a process of the script was started with; undefined where the system does not say so. */
const lineOf = (pid: string): Line | undefined => {
  const fields = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0').slice(0, -1)
  if (!existsSync(`/proc/${pid}`)) return undefined
  const variables = fields('environ').map((text) => [
    text.slice(0, text.indexOf('=')),
    text.slice(text.indexOf('=') + 1),
  ])
  return {
    args: fields('cmdline').slice(2), // after bash and the script
    env: Object.fromEntries(variables),
    cwd: readlinkSync(`/proc/${pid}/cwd`),
  }
}

export interface TypedJetty {
  /** The program that the shell calls. */
  script: string
  close(): void
}

/** Writes `jetty` into a folder, for shells of this machine whose commands the host of this worker runs. */
export const openTypedJetty = async (folder: string, program: string): Promise<TypedJetty> => {
  const answers = mkdtempSync(join(tmpdir(), 'jetty-typed-'))
  let typed = 0
  const answer = async (socket: Socket): Promise<string> => {
    const [said] = await once(socket, 'data')
    const line = lineOf(String(said).trim())
    const printed = line && isHosted(line) ? await typeHosted(line) : undefined
    if (!printed) return 'start'
    const written = join(answers, String(typed++))
    mkdirSync(written)
    writeFileSync(join(written, 'out'), printed.stdout)
    writeFileSync(join(written, 'err'), printed.stderr)
    return `${printed.code ?? killed} ${written}`
  }
  const server = createServer((socket) => {
    answer(socket).then(
      (text) => socket.end(`${text}\n`),
      () => socket.destroy(),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const script = join(folder, 'jetty')
  writeFileSync(script, scriptOf(program, (server.address() as AddressInfo).port))
  chmodSync(script, 0o755)
  return {
    script,
    close() {
      server.close()
      rmSync(answers, { recursive: true, force: true })
    },
  }
}
