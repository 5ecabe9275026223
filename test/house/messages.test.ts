import { describe, expect, it } from 'vitest'
import { programFiles, textOf } from './source-files.ts'

/** A literal of one line of source, with its quotes. */
const literal = /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)/.source

/** The messages of `new AppError(code, message)` and `invalidField(path, message)` that are written as one literal. */
const messages = new RegExp(
  `(?:new AppError\\(\\s*'\\w+'|invalidField\\(\\s*\\[[^\\]]*\\]),\\s*${literal}\\s*[,)]`,
  'g',
)
const hints = new RegExp(`\\bhint:\\s*${literal}\\s*[,}]`, 'g')

interface Found {
  file: string
  text: string
}

const found = (pattern: RegExp): Found[] =>
  programFiles.flatMap((file) =>
    [...textOf(file).matchAll(pattern)].map(([, quoted = '']) => ({ file, text: quoted.slice(1, -1) })),
  )

/** Program names that are written in lower case, also at the beginning of a sentence. */
const lowerCase = /^(?:bubblewrap|multipart\/form-data|parameter '\w+') /

/** The contract quotes these with their full stop. */
const withStop = [
  'Access level WRITE required.',
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: texts of templates, as they stand in the code
  "Invalid ${role} entity string format: '${text}'. Expected '{entity_type}/{collection_name}/{entity_name}'.",
  "${upper(role)} entity '${name}' of type '${type}' not found in collection '${collection}'.",
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: see above
  'Entity relationship not found for the specified source, target, and activity.',
]

/** Begins with a capital, a quote, a placeholder, an option, or the name of a setting, field or activity. */
const beginsWell = (text: string): boolean =>
  /^(?:[A-Z'"`$]|\\['`]|--?\w)/.test(text) || /^[a-z]+(?:[A-Z]|[_.:=(])/.test(text) || lowerCase.test(text)

/** Ends with punctuation, a placeholder, or a command or value to type after a colon. */
const endsWell = (text: string): boolean => /[.!?}]$/.test(text) || /[:,] [^.]+$/.test(text) || /\bjetty |=/.test(text)

const faultsOf = (texts: Found[], isWell: (text: string) => boolean): string[] =>
  texts.filter(({ text }) => !isWell(text)).map(({ file, text }) => `${file}: ${text}`)

describe('messages of errors', () => {
  it('begin with a capital or with the name of what they are about', () => {
    expect(found(messages).length).toBeGreaterThan(200)
    expect(faultsOf(found(messages), beginsWell)).toEqual([])
  })

  it('end without a full stop', () => {
    expect(faultsOf(found(messages), (text) => withStop.includes(text) || !/[^.]\.$/.test(text))).toEqual([])
  })

  it('have hints that are sentences, or end with something to type', () => {
    expect(found(hints).length).toBeGreaterThan(150)
    expect(faultsOf(found(hints), endsWell)).toEqual([])
  })

  it.each(['the body is no chat completion', 'no such thing', 'it is empty'])('%j would be found', (text) => {
    expect(beginsWell(text)).toBe(false)
  })
})
