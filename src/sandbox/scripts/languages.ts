import type { ScriptLanguage } from '../../model/scripts/script-run.ts'
import type { SandboxPlaces } from '../isolation/sandbox.ts'

interface Language {
  /** File name of the script in the sandbox. */
  file: string
  /** Command that runs the script. */
  argv(places: SandboxPlaces): string[]
  /** Command that succeeds if the interpreter is there. */
  probe(places: SandboxPlaces): string[]
  /** Remedy for a missing interpreter. */
  remedy: string
}

const inImage = 'With Docker or Podman, put it into the image of the sandboxes.'

/** How each language is run. Python and JavaScript get their inputs by a small program of ours. */
export const languages: Readonly<Record<ScriptLanguage, Language>> = {
  python: {
    file: 'script.py',
    argv: ({ tools }) => ['python3', '-I', '-B', `${tools}/script.py`],
    probe: () => ['python3', '--version'],
    remedy: `Install Python in /usr: \`apt install python3\`. ${inImage}`,
  },
  javascript: {
    file: 'script.mjs',
    argv: ({ tools }) => [`${tools}/node`, `${tools}/script.cjs`],
    probe: ({ tools }) => [`${tools}/node`, '--version'],
    remedy: 'Install Node in /usr, so that it runs without the files of other folders.',
  },
  shell: {
    file: 'script.sh',
    argv: () => [
      '/bin/sh',
      '-c',
      'if command -v bash >/dev/null; then exec bash -eo pipefail script.sh; fi; exec sh -e script.sh',
    ],
    probe: () => ['/bin/sh', '-c', ':'],
    remedy: inImage,
  },
}

const variableName = (name: string): string => `INPUT_${name.replace(/[^A-Za-z0-9_]/g, '_').toUpperCase()}`

/** Longest variable, name and value, in characters; Linux refuses more than 128 KiB. */
const longestValue = 30_000

/** Inputs as variables, for languages that cannot read JSON: texts as they are, other values as JSON. */
export const inputVariables = (inputs: string): Record<string, string> => {
  const value: unknown = JSON.parse(inputs)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  const variables: Record<string, string> = {}
  let left = longestValue * 10
  for (const [name, one] of Object.entries(value)) {
    const text = typeof one === 'string' ? one : JSON.stringify(one)
    const length = name.length + text.length
    if (length > longestValue || length > left || text.includes('\0')) continue
    left -= length
    variables[variableName(name)] = text
  }
  return variables
}
