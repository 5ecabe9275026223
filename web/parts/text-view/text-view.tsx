import { Suspense, useState } from 'react'
import { lazyPart } from '../../data/server-away.ts'
import { countText } from '../../text/numbers.ts'
import { CopyButton } from '../../ui/copy.tsx'
import { plainText } from '../log/plain-text.ts'

const signs = [
  /^#{1,6} \S/m,
  /^\s*[-*] \S.*\n\s*[-*] \S/m,
  /^\s*1[.)] \S.*\n\s*2[.)] \S/m,
  /\*\*[^*\n]+\*\*/,
  /^```/m,
  /\[[^\]\n]+\]\([^)\s]+\)/,
  /^\|.+\|\s*\n\|[ :|-]+\|/m,
  /^> \S/m,
]

/** Whether a text has the marks of Markdown. Looks at its first 20,000 characters. */
export const looksLikeMarkdown = (text: string): boolean => {
  const beginning = text.slice(0, 20_000)
  return signs.some((sign) => sign.test(beginning))
}

const Markdown = lazyPart(() => import('./markdown.tsx'))

/** Characters that are shown at first, and that each click adds. */
const firstCharacters = 6_000
const moreCharacters = 100_000
/** Longer texts are not laid out as Markdown. */
const mostMarkdown = 100_000

interface TextViewProps {
  text: string
  /** What people and models write is shown as Markdown where it looks like it. */
  isProse?: boolean
}

/** A text as it is, or as Markdown; a long one in parts. */
export const TextView = ({ text, isProse = false }: TextViewProps) => {
  const [most, setMost] = useState(firstCharacters)
  const mayBeMarkdown = text.length <= mostMarkdown && looksLikeMarkdown(text)
  const [isMarkdown, setMarkdown] = useState(isProse && mayBeMarkdown)
  const shown = text.length > most ? text.slice(0, most) : text
  return (
    <div className="group relative">
      {isMarkdown ? (
        <Suspense fallback={<Plain text={shown} isProse={isProse} />}>
          <Markdown text={shown} />
        </Suspense>
      ) : (
        <Plain text={shown} isProse={isProse} />
      )}
      <div className="mt-1 flex items-center gap-3 text-12 text-muted">
        {text.length > most && (
          <button type="button" className="text-accent" onClick={() => setMost(most + moreCharacters)}>
            Show more of {countText(text.length)} characters
          </button>
        )}
        {mayBeMarkdown && (
          <button type="button" className="hover:text-text" onClick={() => setMarkdown(!isMarkdown)}>
            {isMarkdown ? 'Show as text' : 'Show as Markdown'}
          </button>
        )}
      </div>
      <div className="absolute top-0 right-0 bg-bg opacity-0 focus-within:opacity-100 group-hover:opacity-100">
        <CopyButton text={text} label="Copy the text" />
      </div>
    </div>
  )
}

const Plain = ({ text, isProse }: { text: string; isProse: boolean }) => (
  <p className={`whitespace-pre-wrap [overflow-wrap:anywhere] ${isProse ? '' : 'font-mono text-12'}`}>
    {plainText(text)}
  </p>
)
