"""Who fell silent, and do we speak again?"""
