interface RunCommand {
  collection: string
  task: string
  /** Empty: the newest one. */
  version?: string
  /** Whether its models are called through the batch interfaces of their providers. */
  isPatient?: boolean
  params: Readonly<Record<string, unknown>>
  files: readonly string[]
}

const isPlain = (text: string): boolean => /^[\w./:@%+,][\w./:@%+,=-]*$/.test(text)

/** Quotes an argument for a POSIX shell. */
const shellWord = (text: string): string => (isPlain(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

/** The command that starts the same run. */
export const runCommand = ({ collection, task, version, isPatient, params, files }: RunCommand): string => {
  const given = Object.entries(params).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return `-p ${shellWord(`${name}=${text}`)}`
  })
  const sent = files.map((name) => `--file ${shellWord(name)}`)
  const place = version ? shellWord(`${collection}/${task}@${version}`) : `${collection}/${task}`
  return ['jetty run', place, ...given, ...sent, ...(isPatient ? ['--economy batch'] : [])].join(' ')
}
