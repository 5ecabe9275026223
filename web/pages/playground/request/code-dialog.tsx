import { useState } from 'react'
import { CopyButton } from '../../../ui/copy.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { type CodeCall, type CodeLanguage, codeFor, codeLanguages, hasImages, imagePlaceholder } from './code.ts'

/** The call as a program, to be copied. The page has no key that could be in it. */
export const CodeDialog = ({ call, onClose }: { call: CodeCall; onClose: () => void }) => {
  const [language, setLanguage] = useState<CodeLanguage>('curl')
  const code = codeFor(language, call)
  return (
    <Dialog title="This call as code" isOpen onClose={onClose} width="wide">
      <Tabs
        label="Language"
        tabs={codeLanguages.map((name) => ({ name, text: name }))}
        current={language}
        onSelect={setLanguage}
        className="border-line border-b"
      />
      <div role="tabpanel" aria-label={language} className="relative mt-3 rounded-m border border-line bg-sunk">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keys scroll it */}
        <pre tabIndex={0} className="max-h-[50dvh] overflow-auto p-3 pr-10 font-mono text-12">
          {code}
        </pre>
        <span className="absolute top-1 right-1">
          <CopyButton text={code} label={`Copy as ${language}`} />
        </span>
      </div>
      <p className="mt-3 text-muted">
        It reads your key from the variable <code className="font-mono text-12">JETTY_API_TOKEN</code>.
        {hasImages(call.body) && ` Put the bytes of the image where ${imagePlaceholder} stands.`}
      </p>
    </Dialog>
  )
}
