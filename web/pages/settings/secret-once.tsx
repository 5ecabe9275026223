import { Button } from '../../ui/button.tsx'
import { CopyButton, CopyLine } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'

interface SecretOnceProps {
  title: string
  secret: string
  /** A command that uses it. */
  example?: string
  onClose: () => void
}

/** Shows a secret that the server never shows again. A click beside it or Escape does not close it. */
export const SecretOnce = ({ title, secret, example, onClose }: SecretOnceProps) => (
  <Dialog
    title={title}
    isOpen
    isFirm
    onClose={onClose}
    actions={
      <Button look="main" onClick={onClose}>
        I have saved it
      </Button>
    }
  >
    <div className="flex flex-col gap-3">
      <p>Save it now, where only those who need it can read it. Nobody can show it again.</p>
      <div className="flex items-center gap-1 rounded-m border border-edge bg-sunk py-1 pr-1 pl-3">
        <output aria-label="The secret" className="min-w-0 flex-1 select-all break-all font-mono text-12">
          {secret}
        </output>
        <CopyButton text={secret} label="Copy the secret" />
      </div>
      {example && <CopyLine text={example} />}
    </div>
  </Dialog>
)
