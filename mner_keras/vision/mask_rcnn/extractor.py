class MaskRCNNObjects: pass
