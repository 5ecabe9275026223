import { useState } from 'react'
import { CopyButton } from '../../../ui/copy.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { type FilledCall, type SnippetKind, snippetKinds, snippetOf } from './snippets.ts'

/** A call as code, to the address by which this page was asked for. */
export const Snippets = ({ call }: { call: FilledCall }) => {
  const [kind, setKind] = useState<SnippetKind>('curl')
  const text = snippetOf(kind, call, location.origin)
  return (
    <div>
      <Tabs
        label="Language"
        tabs={snippetKinds.map((name) => ({ name, text: name }))}
        current={kind}
        onSelect={setKind}
        className="border-line border-b"
      />
      <div role="tabpanel" aria-label={kind} className="relative">
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, also with the keyboard
          tabIndex={0}
          className="overflow-x-auto bg-sunk p-3 pr-10 font-mono text-12"
        >
          {text}
        </pre>
        <div className="absolute top-1 right-1 bg-sunk">
          <CopyButton text={text} label={`Copy the call for ${kind}`} />
        </div>
      </div>
    </div>
  )
}
