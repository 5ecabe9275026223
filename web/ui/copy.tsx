import { useEffect, useState } from 'react'
import { IconButton } from './button.tsx'

/** The clipboard needs https or localhost; elsewhere a selection in a hidden field still copies. */
const copyBySelection = (text: string): boolean => {
  const field = document.createElement('textarea')
  field.value = text
  field.style.position = 'fixed'
  field.style.opacity = '0'
  document.body.append(field)
  field.select()
  const isCopied = document.execCommand('copy')
  field.remove()
  return isCopied
}

/** Copies a text; resolves with whether it worked. */
export const copyText = async (text: string): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyBySelection(text)
  }
}

/** A button that copies a text and says so for a moment. */
export const CopyButton = ({ text, label = 'Copy' }: { text: string; label?: string }) => {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return
    const timer = setTimeout(() => setCopied(false), 1500)
    return () => clearTimeout(timer)
  }, [isCopied])
  return (
    <>
      <IconButton
        icon={isCopied ? 'tick' : 'copy'}
        label={isCopied ? 'Copied' : label}
        onClick={async () => setCopied(await copyText(text))}
      />
      <span aria-live="polite" className="sr-only">
        {isCopied ? 'Copied' : ''}
      </span>
    </>
  )
}

/** A command to be copied, or lines of something else. */
export const CopyLine = ({ text, label = 'Copy the command' }: { text: string; label?: string }) => (
  <div className="flex max-w-full items-center gap-1 rounded-m border border-line bg-sunk py-0.5 pr-0.5 pl-3">
    <code className="min-w-0 flex-1 whitespace-pre-wrap break-words font-mono text-12">{text}</code>
    <CopyButton text={text} label={label} />
  </div>
)
