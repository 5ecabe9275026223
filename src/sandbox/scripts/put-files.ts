import { AppError } from '../../lib/errors.ts'
import { distinctFileNames } from '../../lib/files/file-names.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import type { ScriptHost, ScriptRequest } from '../../model/scripts/script-run.ts'
import type { Sandbox } from '../isolation/sandbox.ts'
import { languages } from './languages.ts'

const tooMuch = (limit: number): AppError =>
  new AppError('too_large', `The files of the script have more than ${byteSize(limit)} in total`, {
    hint: 'Give the script fewer files, or raise JETTY_SCRIPT_DISK_BYTES.',
  })

/** Writes the script, its inputs and copies of its files into a sandbox in which nothing has run yet. */
export const putFiles = async (
  sandbox: Pick<Sandbox, 'put' | 'places'>,
  { language, code, inputs, files }: Pick<ScriptRequest, 'language' | 'code' | 'inputs' | 'files'>,
  { openFile, signal }: Pick<ScriptHost, 'openFile' | 'signal'>,
  mostBytes: number,
): Promise<void> => {
  let bytes = 0
  async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      signal.throwIfAborted()
      bytes += chunk.length
      if (bytes > mostBytes) throw tooMuch(mostBytes)
      yield chunk
    }
  }
  const sources = await Promise.all(files.map(openFile))
  if (sources.reduce((sum, { size }) => sum + size, 0) > mostBytes) throw tooMuch(mostBytes)
  const names = distinctFileNames(sources.map(({ name }) => name))
  const list = sources.map(({ content_type, size }, at) => ({
    ...{ name: names[at], path: `${sandbox.places.uploads}/${names[at]}`, content_type, size },
  }))
  await Promise.all([
    sandbox.put(`${inside.app}/${languages[language].file}`, code),
    sandbox.put(`${inside.app}/inputs.json`, inputs),
    sandbox.put(`${inside.app}/files.json`, JSON.stringify(list)),
  ])
  for (const [at, source] of sources.entries())
    await sandbox.put(`${inside.uploads}/${names[at]}`, counted(source.open()))
}
